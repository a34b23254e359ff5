// node node.mjs URL…    (BULB_SERVER, BULB_KEY)
import { createClient } from 'bulb-client';
const bulb = createClient({ server: process.env.BULB_SERVER ?? 'http://127.0.0.1:8080', key: process.env.BULB_KEY });
const job = await bulb.submit(process.argv.slice(2));
for await (const { type, data } of bulb.watch(job)) {
  if (type === 'item.succeeded') for (const v of data.variants) console.log(v.name, `${v.width}x${v.height}`, v.url);
  if (type === 'item.failed') console.error(data.url, data.error.code, data.error.detail);
}
