import { createRoot } from 'react-dom/client';
import { createClient } from 'bulb-client';
import { useBatch } from 'bulb-client/react';
function Batch({ eventsUrl }) {
  const { items, done, total } = useBatch(eventsUrl);
  return <ul aria-label={`${done} of ${total}`}>{items.map((i) => <li key={i.id}><img src={i.variants[0]?.url} alt={i.url} /></li>)}</ul>;
}
const urls = new URLSearchParams(location.search).getAll('url');
const job = await createClient({ server: location.origin }).submit(urls);
createRoot(document.getElementById('root')).render(<Batch eventsUrl={job.events_url} />);
