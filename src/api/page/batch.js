// SPDX-License-Identifier: MIT
//
// One batch, live. All there is to know of it comes from its event log, which is read on from wherever it
// was when a connection broke: the number in "resuming from event" is where it goes on.
import { byId, copy, el, say } from './dom.js';
import { Card } from './card.js';
import { fillDetail } from './detail.js';
import { Sheet } from './sheet.js';
import { createBatch, hasEnded, itemOf } from './state.js';
import { nameOf, pictureHtml, plural, since } from './words.js';

const FILTERS = [['all', 'All', () => true], ['done', 'Done', (i) => i.status === 'succeeded'],
  ['open', 'Under way', (i) => !['succeeded', 'failed', 'canceled'].includes(i.status)],
  ['failed', 'Failed', (i) => i.status === 'failed' || i.cutout?.status === 'failed'], ['cut', 'Cut out', (i) => i.cutout?.status === 'succeeded'],
  ['cached', 'From cache', (i) => ['hit', 'revalidated', 'coalesced'].includes(i.cache)]];
const SPEAK_MS = 5000;

function connectionText({ phase, attempt, retryInMs, transport }, after, ended) {
  const how = { websocket: '', sse: ' by event stream', poll: ' by polling' }[transport] ?? '';
  if (phase === 'complete' || (phase === 'idle' && ended)) return `complete: ${plural(after, 'event')}`;
  if (phase === 'live') return `live${how}, at event ${after}`;
  if (phase === 'waiting') return `connection lost: resuming from event ${after}${retryInMs >= 1000 ? ` in ${Math.round(retryInMs / 1000)} s` : ''}`;
  if (phase === 'failed') return 'this log can no longer be read';
  return after || attempt ? `resuming from event ${after}` : 'connecting';
}

export class BatchView {
  #client;
  #batch;
  #stop;
  #id;
  #drawn = {};
  #filter = 'all';
  #words = '';
  #open; // the item in the dialog
  #spokenAt = 0;
  #forgotten;

  /** forgotten(): this batch is no more. */
  constructor(client, forgotten) {
    this.#client = client;
    this.#forgotten = forgotten;
    this.sheet = new Sheet(byId('sheet'), () => new Card((item) => this.#show(item), (item) => this.#batch?.getState().active[item?.id]));
    byId('filters').append(...FILTERS.map(([id, name]) => el('button', { type: 'button', class: 'quiet', data: { id }, 'aria-pressed': id === 'all' ? 'true' : 'false',
      on: { click: () => this.#choose(id) } }, name)));
    byId('find').addEventListener('input', (e) => {
      this.#words = e.target.value.trim().toLowerCase();
      this.#drawItems(true);
    });
    byId('retry').addEventListener('click', () => this.#retry());
    byId('cancel').addEventListener('click', () => this.#try(() => this.#client().cancel(this.#id)));
    byId('forget').addEventListener('click', () => this.#forget());
    byId('copy-all').addEventListener('click', (e) => copy(e.target, this.#state.items.map((i) => pictureHtml(i)).filter(Boolean).join('\n')));
    byId('detail').addEventListener('close', () => (this.#open = undefined));
    byId('detail').addEventListener('click', (e) => e.target === byId('detail') && byId('detail').close());
  }

  get #state() {
    return this.#batch.getState();
  }

  /** Watches this job; the one before is let go. */
  async watch(id) {
    this.leave();
    this.#id = id;
    try {
      const job = await this.#client().job(id);
      if (this.#id !== id) return;
      byId('job').hidden = false;
      this.#links(job);
      this.#batch = createBatch(job.events_url, { refresh: async () => (await this.#client().job(id)).events_url, loadItem: (item) => this.#client().item(id, item) });
      this.#stop = this.#batch.subscribe(() => this.#draw());
      this.#draw();
    } catch (e) {
      if (this.#id !== id) return;
      byId('job').hidden = true;
      throw e;
    }
  }

  leave() {
    this.#stop?.();
    this.#batch?.close();
    this.#stop = this.#batch = this.#id = undefined;
    this.#drawn = {};
    this.sheet.clear();
    byId('job').hidden = true;
    byId('detail').close();
    say(byId('refusal'), '');
    byId('find').value = this.#words = '';
    this.#choose('all', false);
  }

  /* ---- drawing ------------------------------------------------------------------------------------- */

  #draw() {
    const s = this.#state, was = this.#drawn;
    if (s.job !== was.job || s.counts !== was.counts) this.#drawJob(s);
    if (s.connection !== was.connection || s.after !== was.after) this.#drawConnection(s);
    if (s.items !== was.items) this.#drawItems(false);
    if (s.active !== was.active) for (const card of this.sheet.cards.values()) card.progress();
    this.#drawn = s;
    const open = this.#open && itemOf(s, this.#open.id);
    if (open && open !== this.#open) this.#show(open);
  }

  #drawConnection(s) {
    const ended = hasEnded(s);
    byId('state').dataset.phase = ended ? 'complete' : s.connection.phase;
    say(byId('state'), connectionText(s.connection, s.after, ended));
    if (s.error) say(byId('refusal'), s.error.message ?? '');
  }

  #drawJob({ job, counts: n }) {
    if (!job) return;
    const done = n.succeeded + n.failed + n.canceled, ended = ['succeeded', 'partial', 'failed', 'canceled'].includes(job.status);
    say(byId('title'), job.tag || plural(n.total, 'picture'));
    byId('status').className = `badge ${job.status}`;
    say(byId('status'), job.status);
    say(byId('when'), `${since(job.created_at)} · ${job.id}`);
    this.#meter(n, done);
    say(byId('totals'), `${done} of ${n.total} done${n.failed ? `, ${n.failed} failed` : ''}${n.canceled ? `, ${n.canceled} canceled` : ''}${n.duplicates ? `; ${plural(n.duplicates, 'duplicate')} fell away` : ''}`);
    this.#figures(job, n);
    byId('retry').hidden = !ended || (!n.failed && !n.cutouts?.failed);
    byId('cancel').hidden = ended;
    byId('forget').hidden = !ended;
    byId('zip').hidden = byId('copy-all').hidden = !n.succeeded;
    this.#speak(`${done} of ${n.total} done${n.failed ? `, ${n.failed} failed` : ''}`, ended);
  }

  #meter(n, done) {
    const meter = byId('meter'), [good, bad, busy] = meter.children;
    const part = (x) => `${(100 * x) / Math.max(1, n.total)}%`;
    meter.setAttribute('aria-valuemax', n.total);
    meter.setAttribute('aria-valuenow', done);
    good.style.width = part(n.succeeded);
    bad.style.width = part(n.failed + n.canceled);
    busy.style.width = part(n.running);
  }

  #figures(job, n) {
    const saved = job.savings, cut = n.cutouts;
    const list = [['from cache', n.cached], ['downloads saved', saved.downloads, 'saved'], ['encodes saved', saved.encodes, 'saved'],
      saved.paid_calls ? ['paid calls saved', saved.paid_calls, 'saved'] : null, cut?.succeeded ? ['cut out', cut.succeeded] : null,
      cut?.none ? ['without a subject', cut.none] : null, cut?.failed ? ['cut-outs failed', cut.failed] : null].filter(Boolean);
    const text = JSON.stringify(list);
    if (byId('figures').dataset.text === text) return;
    byId('figures').dataset.text = text;
    byId('figures').replaceChildren(...list.map(([name, value, kind]) => el('div', { class: kind }, el('dt', {}, name), el('dd', {}, value.toLocaleString('en')))));
  }

  /* To those who do not see: at most every few seconds, and the end at once. */
  #speak(text, ended) {
    if (!ended && Date.now() - this.#spokenAt < SPEAK_MS) return;
    this.#spokenAt = Date.now();
    say(byId('spoken'), ended ? `The batch has ended: ${text}` : text);
  }

  #fits(item, fits) {
    if (!fits(item)) return false;
    return !this.#words || nameOf(item.url).toLowerCase().includes(this.#words) || item.refs?.some((r) => r.toLowerCase().includes(this.#words));
  }

  #drawItems() {
    if (!this.#batch) return;
    const all = this.#state.items, fits = FILTERS.find(([id]) => id === this.#filter)[2];
    const shown = this.#filter === 'all' && !this.#words ? all : all.filter((i) => this.#fits(i, fits));
    byId('none').hidden = shown.length > 0 || all.length === 0;
    this.sheet.show(shown);
  }

  #choose(id, draw = true) {
    this.#filter = id;
    for (const b of byId('filters').children) b.setAttribute('aria-pressed', String(b.dataset.id === id));
    if (draw) this.#drawItems();
  }

  /* ---- what one can do ------------------------------------------------------------------------------ */

  #show(item) {
    if (!item) return;
    this.#open = item;
    fillDetail(byId('detail'), item);
    if (!byId('detail').open) byId('detail').showModal();
  }

  #links(job) {
    const url = new URL(job.links.self);
    url.pathname += '/archive';
    const token = new URL(job.events_url).searchParams.get('token');
    if (token) url.searchParams.set('token', token);
    byId('zip').href = url.href;
  }

  async #try(fn) {
    say(byId('refusal'), '');
    try {
      await fn();
    } catch (e) {
      say(byId('refusal'), e.detail ?? e.message);
    }
  }

  async #retry() {
    await this.#try(async () => {
      await this.#client().retry(this.#id);
      this.#batch.resume();
    });
  }

  #forget() {
    return this.#try(async () => {
      await this.#client().delete(this.#id);
      this.#forgotten();
    });
  }
}
