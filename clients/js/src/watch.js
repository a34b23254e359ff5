// SPDX-License-Identifier: MIT
//
// A watch reads the event log of one job to its end, whatever happens in between, and hands on every
// event exactly once and in order. It knows the number of the last event it handed on and nothing else
// of the log: what comes again is dropped, what is missing is fetched, and a new connection begins after
// it. Which transport it uses is a matter of what gets through; what worked is tried first next time.
import { Address } from './address.js';
import { backoff, linked, pause } from './pause.js';
import { ConnectionError, ProblemError } from './problem.js';
import { onePage, transports } from './transports.js';

const ENDS = /^job\.(succeeded|partial|failed|canceled)$/;
const QUEUE_MOST = 1000;
const REMEMBERED_MS = 600000;
const HELD_MS = 10000;

/** Which transport got through to an origin, and when. Of the page, or of the client that has its own. */
const remembered = new Map();

export class WatchEvent extends Event {
  constructor(type, detail) {
    super(type);
    this.detail = detail;
  }
}

function limitsOf({ heartbeat = 15, limits = {} }) {
  const every = Math.max(1, heartbeat);
  const quiet = (every * 2 + 5) * 1000;
  return { heartbeat: every, open: 10000, quiet, sseQuiet: Math.max(quiet, 35000), wait: 20, ...limits };
}

export class Watch extends EventTarget {
  #o;
  #limits;
  #life;
  #net; // aborts one connection
  #address;
  #last;
  #lastType = '';
  #lastJob;
  #names;
  #at = 0;
  #tries = 0;
  #strikes = 0;
  #proven = new Set();
  #refreshed = false;
  #memory = {};
  #heard = false;
  #began = 0;
  #connection = { phase: 'idle', transport: undefined, after: 0 };
  #queue;
  #waiting = [];
  #roomy;
  #wake;
  #running;
  #over;
  #finished = {};

  /**
   * @param {string | URL | {events_url: string, links?: {events?: string}}
   *   | (() => Promise<{events_url: string, links?: {events?: string}}>)} target
   * @param {object} [options]
   */
  constructor(target, options = {}) {
    super();
    const { fetch = (...a) => globalThis.fetch(...a), WebSocket = globalThis.WebSocket } = options;
    this.#o = { ...options, fetch, WebSocket };
    this.#limits = limitsOf(options);
    this.#last = Number(options.after ?? 0) || 0;
    this.#life = linked(options.signal);
    this.#life.signal.addEventListener('abort', () => this.#end('failed', this.#life.signal.reason));
    this.#connection.after = this.#last;
    if (typeof target === 'function') this.#o.open = target;
    else this.#moveTo(target);
    this.finished = new Promise((ok, fail) => Object.assign(this.#finished, { ok, fail }));
    this.finished.catch(() => {}); // whoever does not ask need not know
    if (this.#life.signal.aborted) this.#end('failed', this.#life.signal.reason);
  }

  /** { phase: idle|connecting|live|waiting|complete|failed|closed, transport, after, attempt, retryInMs, error } */
  get connection() {
    return this.#connection;
  }

  /** The number of the last event that was handed on. */
  get after() {
    return this.#last;
  }

  /** Calls fn with every event of a type, `event` for all of them, `connection`, `complete`, `error`. */
  on(type, fn) {
    const listener = (e) => fn(e.detail);
    this.addEventListener(type, listener);
    return () => this.removeEventListener(type, listener);
  }

  addEventListener(...args) {
    super.addEventListener(...args);
    this.start();
  }

  start() {
    this.#running ??= Promise.resolve().then(() => this.#run());
    return this;
  }

  /** Ends it without a word: an iteration over it is done. */
  close() {
    this.#end('closed');
  }

  [Symbol.asyncIterator]() {
    this.#queue ??= [];
    this.start();
    return {
      next: () => this.#next(),
      return: async () => {
        this.close();
        return { done: true, value: undefined };
      },
      [Symbol.asyncIterator]() {
        return this;
      },
    };
  }

  /* ---- what the consumer sees ------------------------------------------------------------------- */

  #next() {
    if (this.#queue.length) {
      const value = this.#queue.shift();
      if (this.#queue.length <= QUEUE_MOST / 2) this.#roomy?.();
      return Promise.resolve({ done: false, value });
    }
    if (this.#over) return this.#over.error ? Promise.reject(this.#over.error) : Promise.resolve({ done: true, value: undefined });
    return new Promise((ok, fail) => this.#waiting.push({ ok, fail }));
  }

  #hand(event) {
    if (this.#waiting.length) this.#waiting.shift().ok({ done: false, value: event });
    else this.#queue?.push(event);
    this.dispatchEvent(new WatchEvent('event', event));
    this.dispatchEvent(new WatchEvent(event.type, event));
  }

  #phase(phase, more = {}) {
    const transport = this.#names?.[this.#at];
    this.#connection = { phase, transport, after: this.#last, attempt: this.#tries, ...more };
    this.dispatchEvent(new WatchEvent('connection', this.#connection));
  }

  /** Once: 'complete', 'closed', or 'failed' with an error. */
  #end(phase, error) {
    if (this.#over) return;
    this.#over = { error };
    if (phase === 'closed' || this.#life.signal.aborted) this.#queue?.splice(0);
    this.#life.release();
    this.#roomy?.();
    this.#phase(phase, { error });
    for (const w of this.#waiting.splice(0)) {
      if (error) w.fail(error);
      else w.ok({ done: true, value: undefined });
    }
    if (error) this.#finished.fail(error);
    else this.#finished.ok(this.#lastJob);
    this.dispatchEvent(new WatchEvent(error ? 'error' : phase, error ?? this.#lastJob));
    this.#life.abort(error ?? new Error('closed'));
  }

  /* ---- events as they come ---------------------------------------------------------------------- */

  #proof() {
    this.#heard = true;
    this.#refreshed = false;
    this.#strikes = 0;
    const name = this.#names[this.#at];
    if (this.#proven.has(name)) return;
    this.#proven.add(name);
    (this.#o.remembered ?? remembered).set(this.#address.origin, { name, at: Date.now() });
  }

  #alive(sequence) {
    this.#proof();
    return sequence > this.#last ? 'gap' : undefined;
  }

  #take(event) {
    const sequence = Number(event.sequence);
    if (this.#over || !(sequence > this.#last)) return undefined; // it came before
    if (sequence > this.#last + 1) return 'gap';
    this.#last = sequence;
    this.#lastType = event.type;
    if (event.type?.startsWith('job.')) this.#lastJob = event.data;
    this.#tries = 0;
    this.#hand(event);
    return this.#queue?.length >= QUEUE_MOST ? 'full' : undefined;
  }

  /* ---- connections ------------------------------------------------------------------------------ */

  #moveTo(target) {
    this.#address = target instanceof Address ? target :
      typeof target === 'string' || target instanceof URL ? new Address(target, this.#o.httpUrl) :
        new Address(target.events_url, this.#o.httpUrl ?? target.links?.events);
  }

  #choose() {
    const asked = this.#o.transports ?? Object.keys(transports);
    this.#names = asked.filter((name) => name !== 'websocket' || this.#o.WebSocket);
    if (!this.#names.length) throw new TypeError('no transport is left to watch with');
    const known = (this.#o.remembered ?? remembered).get(this.#address.origin);
    if (known && Date.now() - known.at < REMEMBERED_MS) this.#at = Math.max(0, this.#names.indexOf(known.name));
  }

  #line() {
    const { fetch, WebSocket } = this.#o;
    return { address: this.#address, after: this.#last, signal: this.#net.signal, fetch, WebSocket, limits: this.#limits,
      memory: this.#memory, opened: () => this.#connection.phase !== 'live' && this.#phase('live'),
      alive: (sequence) => this.#alive(sequence), take: (event) => this.#proof() ?? this.#take(event) };
  }

  async #run() {
    const online = () => { // what was open before may be dead, and nobody says so
      this.#wake?.();
      if (this.#connection.phase === 'live') this.#net.abort(new ConnectionError('The network was away.'));
    };
    globalThis.addEventListener?.('online', online);
    try {
      while (!this.#over) {
        this.#net = linked(this.#life.signal);
        await this.#once().catch((e) => this.#trouble(e)).finally(this.#net.release);
      }
    } catch (e) {
      this.#end('failed', this.#life.signal.aborted ? this.#life.signal.reason : e);
    } finally {
      globalThis.removeEventListener?.('online', online);
    }
  }

  /** One connection, from opening it to what its end means. */
  async #once() {
    this.#life.signal.throwIfAborted();
    if (!this.#address) this.#moveTo(await this.#o.open(this.#life.signal));
    if (!this.#names) this.#choose();
    this.#phase('connecting');
    this.#heard = false;
    this.#began = Date.now();
    const name = this.#names[this.#at];
    const outcome = await transports[name](this.#line());
    if (outcome.end === 'done') this.#end('complete');
    else if (outcome.end === 'full') await this.#room();
    else if (outcome.end === 'closed' && ENDS.test(this.#lastType)) this.#end('complete');
    else if (name === 'poll' && outcome.end !== 'gap') await this.#again(outcome.cause);
    else await this.#look(outcome);
  }

  /** A stream ended, and only a page can tell why: a problem, the log's end, or that all is well there
   * and the transport is at fault. What a page holds is not lost on the way. */
  async #look({ end, code, cause }) {
    const heard = this.#heard;
    if (end !== 'gap' && heard && code !== 1000 && code !== 1008) {
      await this.#again(cause);
      return;
    }
    const page = await onePage({ ...this.#line(), opened: () => {}, alive: () => {}, take: (e) => this.#take(e) });
    if (page.end === 'done') this.#end('complete');
    else if (page.end === 'full') await this.#room();
    else if (page.end === 'lost') await this.#again(page.cause);
    else if (!heard || end === 'refused') await this.#nextTransport();
    else await this.#again(cause);
  }

  async #nextTransport() {
    const name = this.#names[this.#at];
    this.#strikes++;
    if (this.#strikes >= (this.#proven.has(name) ? 3 : 1)) {
      this.#strikes = 0;
      this.#at = (this.#at + 1) % this.#names.length;
      if (this.#at) return;
    }
    await this.#again();
  }

  /** Waits, longer each time in a row that brought no event and did not hold, and tries again. */
  async #again(error, atLeastMs = 0) {
    if (this.#heard && Date.now() - this.#began > HELD_MS) this.#tries = 0;
    const ms = Math.max(atLeastMs, backoff(this.#tries, this.#o.backoff));
    this.#phase('waiting', { retryInMs: Math.round(ms), error });
    this.#tries++;
    await pause(ms, this.#life.signal, (wake) => (this.#wake = wake));
  }

  async #room() {
    while (!this.#over && this.#queue.length > QUEUE_MOST / 2) await new Promise((ok) => (this.#roomy = ok));
  }

  /* ---- refusals --------------------------------------------------------------------------------- */

  /** What passes is waited for, a token that ended is renewed, anything else ends the watch. */
  async #trouble(error) {
    if (this.#over) return;
    this.#life.signal.throwIfAborted();
    if (error instanceof ConnectionError) await this.#again(error);
    else if (!(error instanceof ProblemError)) throw error;
    else if (error.status === 401) await this.#renew(error);
    else if (error.status >= 500 || error.status === 429 || error.status === 408) await this.#again(error, (error.retryAfter ?? 0) * 1000);
    else if (error.code.startsWith('http_') && ['websocket', 'sse'].includes(this.#names?.[this.#at])) await this.#nextTransport();
    else throw error;
  }

  async #renew(error) {
    const { refresh, open } = this.#o;
    if (this.#refreshed || !(refresh || open)) throw error;
    this.#refreshed = true;
    const { signal } = this.#life;
    let given;
    try {
      given = (await refresh?.({ problem: error, url: this.#address?.http({}), signal })) ?? (await open?.(signal));
    } catch (e) {
      this.#refreshed = false;
      return this.#trouble(e);
    }
    if (!given) throw error;
    return this.#moveTo(given.events_url ? given : this.#address.renewed(given));
  }
}

/** Watches one job's log. See Watch for what comes of it. */
export function watch(target, options) {
  return new Watch(target, options);
}
