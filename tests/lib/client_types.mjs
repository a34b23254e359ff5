// Checked by a compiler, never run (client-package.test.mjs): what the types of the client library let
// pass, and, where a line is to be refused, that it is.
import { createClient, watch, ProblemError, ConnectionError } from 'bulb-client';
import { createBatch, initialState, reduce, itemOf } from 'bulb-client/state';
import { useBatch } from 'bulb-client/react';
import { defineBatch } from 'bulb-client/element';
import { thumbHashToRgba } from 'bulb-client/thumbhash';

const bulb = createClient({ server: 'https://bulb.example', key: 'k', fetch, retries: 1 });
// @ts-expect-error a number is no key
createClient({ key: 3 });

/** @type {import('bulb-client').Job} */
const job = await bulb.submit({ urls: ['https://e/a.jpg', { url: 'https://e/b.jpg', ref: 'b' }], variants: [{ name: 'a', width: 3, format: 'webp' }] }, { wait: 5 });
/** @type {number} */
const estimate = (await bulb.submit({ urls: [], dry_run: true })).estimate.downloads;
// @ts-expect-error the name is wrong
await bulb.submit({ urls: [], variants: [{ name: 'a', widht: 3 }] });
// @ts-expect-error there is no such format
await bulb.submit({ urls: [], variants: [{ name: 'a', format: 'bmp' }] });

for await (const item of bulb.items(job, { status: 'failed' })) {
  /** @type {import('bulb-client').Item} */
  const one = item;
  console.log(one.error?.code, one.variants[0]?.url);
}
// @ts-expect-error there is no such status
bulb.items(job, { status: 'done' });

const w = watch(job.events_url, { after: '000000000004', transports: ['sse', 'poll'], signal: AbortSignal.timeout(5), refresh: async ({ problem }) => problem.code });
for await (const event of w) {
  /** @type {import('bulb-client').BulbEvent} */
  const e = event;
  if (e.type === 'item.succeeded') console.log(e.data.variants.length);
  if (e.type === 'job.progress') console.log(e.data.counts.total, e.data.active?.length);
  // @ts-expect-error events of a job have no URL of their own
  if (e.type === 'job.progress') console.log(e.data.url);
}
/** @type {() => void} */
const off = w.on('item.succeeded', (e) => console.log(e.data.cutout?.status));
w.on('connection', ({ phase, after }) => phase === 'waiting' && console.log(`resuming from ${after}`));
// @ts-expect-error there is no such event
w.on('item.done', () => {});
off();
console.log((await w.finished)?.status);

const batch = createBatch(job.events_url);
const state = reduce(initialState(), { connection: { phase: 'live', after: 3 } });
// @ts-expect-error a state is not to be changed
state.after = 3;
console.log(itemOf(state, 'x')?.status, batch.getState() === state, thumbHashToRgba('abc').rgba.length);
const { progress, items } = useBatch(null);
console.log(progress.toFixed(2), items.map((i) => i.url));

defineBatch();
/** @type {import('bulb-client/element').BulbBatch} */
const element = document.createElement('bulb-batch');
element.addEventListener('bulb-item', ({ detail }) => console.log(detail.url));
element.eventsUrl = job.events_url;
// @ts-expect-error read only
element.state = state;

try {
  await bulb.retry(job, { confirmCharge: true });
} catch (e) {
  if (e instanceof ProblemError) console.log(e.status, e.errors[0]?.pointer, e.retryAfter, estimate);
  if (e instanceof ConnectionError) console.log(e.cause);
}
