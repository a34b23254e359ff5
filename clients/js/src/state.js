// SPDX-License-Identifier: MIT
//
// Events become the state of a batch. reduce() is pure: it answers a new state, or the same one when an
// event brings nothing new (a replay). Items that an event did not touch stay the same objects, so that
// whoever draws them can compare by ===. createBatch() ties a state to a watch.
import { watch } from './watch.js';

const JOB_ENDS = ['succeeded', 'partial', 'failed', 'canceled'];
const ITEM_ENDS = ['succeeded', 'failed', 'canceled'];
const FLUSH_MS = 40;

const EMPTY = Object.freeze({
  job: null, counts: null, items: Object.freeze([]), active: Object.freeze({}), after: 0, done: 0, total: 0, error: null,
  connection: Object.freeze({ phase: 'idle', after: 0 }),
});

/** The state before the first event. */
export const initialState = () => EMPTY;

/* Where an item stands in the batch: ids end in its number. */
const place = (item) => Number(/\d+$/.exec(item.id)?.[0] ?? 0);

function inPlace(list) {
  const placed = list.map((item) => ({ item, at: place(item) }));
  return placed.sort((a, b) => a.at - b.at).map(({ item }) => item);
}

/* Places of items by id; of every array of items that was made here. */
const indexes = new WeakMap();
function indexOf(items) {
  let index = indexes.get(items);
  if (!index) {
    index = new Map(items.map((item, i) => [item.id, i]));
    indexes.set(items, index);
  }
  return index;
}

/** The item with this id, or undefined. */
export const itemOf = (state, id) => state.items[indexOf(state.items).get(id)];

/** 0 … 1. */
export const progressOf = (state) => (state.total ? state.done / state.total : 0);

export const hasEnded = (state) => JOB_ENDS.includes(state.job?.status);

/* A draft is a state that is being made: items are copied at most once however many events come. */
function draftOf(state) {
  return { ...state, known: indexOf(state.items), list: null, grown: false };
}

function put(draft, item) {
  draft.list ??= [...draft.items];
  const at = draft.known.get(item.id);
  if (at !== undefined) {
    draft.list[at] = item;
    return;
  }
  if (!draft.grown) draft.known = new Map(draft.known);
  draft.grown = true;
  draft.known.set(item.id, draft.list.length);
  draft.list.push(item);
}

const got = (draft, id) => (draft.list ?? draft.items)[draft.known.get(id)];

function finish({ known, list, grown, ...state }) {
  if (list) {
    state.items = list;
    if (grown) state.items = inPlace(list);
    else indexes.set(list, known);
  }
  const c = state.counts;
  state.done = c ? c.succeeded + c.failed + c.canceled : 0;
  state.total = c ? c.total : state.items.length;
  return state;
}

/* ---- items ----------------------------------------------------------------------------------------- */

/* Between two events of the job, its counts go on from those of the last. */
function count(draft, was, now) {
  const counts = draft.counts && { ...draft.counts };
  if (!counts || was === now) return;
  const name = (status) => (ITEM_ENDS.includes(status) || status === 'queued' ? status : 'running');
  for (const [status, step] of [[was ?? 'queued', -1], [now, 1]])
    if (name(status) in counts) counts[name(status)] = Math.max(0, counts[name(status)] + step);
  draft.counts = counts;
}

function takeItem(draft, item) {
  const before = got(draft, item.id);
  if (before && before.run > item.run) return;
  count(draft, before?.status, item.status);
  put(draft, item);
  if (ITEM_ENDS.includes(item.status) && draft.active[item.id]) {
    const { [item.id]: _, ...rest } = draft.active;
    draft.active = rest;
  }
}

/** A whole item, from a GET: fills in what an event had to leave out, and what was not seen yet. */
function takeWhole(draft, item) {
  const before = got(draft, item.id);
  if (!before) put(draft, item);
  else if (before.truncated && before.run === item.run && before.status === item.status) put(draft, item);
}

/* ---- the job --------------------------------------------------------------------------------------- */

/* Failed items, and those whose cut-out failed, run again: not all of them, perhaps (a charge that is
 * not confirmed). Whichever did not come back when the job ends is again what it was. */
function retried(draft) {
  for (const item of draft.list ?? draft.items) {
    const again = item.status === 'failed' || (item.status === 'succeeded' && item.cutout?.status === 'failed');
    if (again) put(draft, { ...item, status: 'queued', error: null, before: item });
  }
}

function settled(draft) {
  draft.active = EMPTY.active;
  for (const item of draft.list ?? draft.items) if (item.before && item.status === 'queued') put(draft, item.before);
}

function takeJob(draft, type, job) {
  const { active, ...rest } = job;
  draft.job = { ...draft.job, ...rest };
  draft.counts = job.counts ?? draft.counts;
  if (active) draft.active = Object.fromEntries(active.map((a) => [a.id, a]));
  if (type === 'job.retried') retried(draft);
  else if (JOB_ENDS.includes(type.slice(4))) settled(draft);
}

/* ---- reducing -------------------------------------------------------------------------------------- */

function step(draft, action) {
  if (action.connection) draft.connection = action.connection;
  else if (action.error !== undefined) draft.error = action.error;
  else if (action.whole) action.whole.forEach((item) => takeWhole(draft, item));
  else {
    draft.after = Number(action.sequence);
    if (action.type.startsWith('item.')) takeItem(draft, action.data.truncated ? { ...action.data, truncated: true } : action.data);
    else if (action.type.startsWith('job.')) takeJob(draft, action.type, action.data);
  }
}

/* An event that was there already changes nothing. */
const isNews = (after, action) => action.sequence === undefined || Number(action.sequence) > after;

/** Many events at once, or { connection }, { error }, { whole: items from a GET }. */
export function reduceAll(state, actions) {
  let draft;
  for (const action of actions) {
    if (!isNews((draft ?? state).after, action)) continue;
    draft ??= draftOf(state);
    step(draft, action);
  }
  return draft ? finish(draft) : state;
}

export const reduce = (state, action) => reduceAll(state, [action]);

/* ---- a batch that keeps itself up to date ----------------------------------------------------------- */

/**
 * A store of one batch's state: { getState, subscribe, setUrl, resume, close }. It watches while somebody
 * is subscribed, and goes on from where it was when somebody is again.
 */
export function createBatch(eventsUrl, { initial = EMPTY, loadItem, watch: open = watch, ...options } = {}) {
  const subscribers = new Set();
  const pending = [];
  let state = initial;
  let url = eventsUrl;
  let source;
  let timer;
  let flushedAt = 0;

  function flush() {
    clearTimeout(timer);
    timer = undefined;
    flushedAt = Date.now();
    const next = reduceAll(state, pending.splice(0));
    if (next === state) return;
    state = next;
    for (const fn of [...subscribers]) fn();
  }
  /* At once when nothing was drawn of late, else a few times a second. */
  function push(action) {
    pending.push(action);
    timer ??= setTimeout(flush, Math.max(0, flushedAt + FLUSH_MS - Date.now()));
  }
  async function fill({ data: { id }, source: job }) {
    const item = await (loadItem ?? loadItemFrom(url, options.fetch))(id, job).catch(() => undefined);
    if (item) push({ whole: [item] });
  }
  function start() {
    if (source || !url) return;
    push({ error: null });
    let used = url;
    const refresh = (why) => (used === url ? options.refresh?.(why) : (used = url));
    const mine = (source = open(url, { ...options, refresh, after: state.after }));
    const current = (fn) => (detail) => source === mine && fn(detail);
    mine.on('event', current((event) => {
      push(event);
      if (event.data?.truncated && event.type.startsWith('item.')) fill(event);
    }));
    mine.on('connection', current((connection) => push({ connection })));
    mine.on('error', current((error) => push({ error })));
  }
  function stop() {
    const old = source;
    source = undefined;
    old?.close();
    if (old && !hasEnded(state)) push({ connection: { phase: 'idle', after: state.after } });
    flush();
  }
  return {
    getState: () => state,
    /** Calls fn after every change. StrictMode and moves in a document end and begin at once: that is no end. */
    subscribe(fn) {
      subscribers.add(fn);
      start();
      return () => {
        subscribers.delete(fn);
        setTimeout(() => subscribers.size || stop());
      };
    },
    /** The same log with another token. */
    setUrl(next) {
      if (String(next) === String(url)) return;
      url = next;
      if (['failed', 'closed'].includes(state.connection.phase)) this.resume();
    },
    /** Reads on: after retry(), or after an error. */
    resume() {
      stop();
      if (subscribers.size) start();
    },
    close: stop,
  };
}

/* By the same token, next to the events. */
function loadItemFrom(eventsUrl, fetch = globalThis.fetch) {
  return async (id) => {
    const url = new URL(eventsUrl, globalThis.location?.href);
    url.protocol = url.protocol.replace('ws', 'http');
    url.pathname = url.pathname.replace(/\/events$/, `/items/${encodeURIComponent(id)}`);
    const response = await fetch(url.href, { headers: { accept: 'application/json' } });
    return response.ok ? response.json() : undefined;
  };
}
