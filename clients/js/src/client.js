// SPDX-License-Identifier: MIT
//
// The HTTP API as functions. Calls that may be repeated are, when the server was not reached or asks to
// come later; handing in a job is one of them, because it always carries an Idempotency-Key.
import { backoff, pause } from './pause.js';
import { ConnectionError, ProblemError, problemOf, reach } from './problem.js';
import { Watch } from './watch.js';

const LATER = [429, 502, 503, 504];
// A 500 that is no problem document: API Gateway's, of a function that died.
const isLater = (e) => LATER.includes(e.status) || e.code === 'http_500';

const idOf = (job) => (typeof job === 'string' ? job : job.id);
const jobPath = (job, rest = '') => `v1/jobs/${encodeURIComponent(idOf(job))}${rest}`;

/** 128 bits of chance; crypto is not everywhere (an http page, Node 18). */
function randomKey() {
  const bytes = new Uint8Array(16);
  if (globalThis.crypto?.getRandomValues) globalThis.crypto.getRandomValues(bytes);
  else for (let i = 0; i < bytes.length; i++) bytes[i] = Math.random() * 256;
  return [...bytes].map((b) => b.toString(16).padStart(2, '0')).join('');
}

/** The job's id in an events URL. */
function idInUrl(url) {
  const m = /\/v1\/jobs\/([^/]+)\/events$/.exec(new URL(url, globalThis.location?.href).pathname);
  return m ? decodeURIComponent(m[1]) : undefined;
}

export class Client {
  #o;
  #token;
  #remembered = new Map();

  /**
   * @param {{server?: string | URL, key?: string, token?: string, refresh?: Function, fetch?: typeof fetch,
   *   WebSocket?: any, retries?: number}} [options]
   */
  constructor(options = {}) {
    const server = new URL(options.server ?? '/', globalThis.location?.href);
    if (!server.pathname.endsWith('/')) server.pathname += '/';
    const { fetch = (...a) => globalThis.fetch(...a), retries = 3 } = options;
    this.#o = { ...options, fetch, retries, server };
    this.#token = options.key ?? options.token;
  }

  /** Hands in a job: a request, or a list of URLs. `id`: your own id for it. `wait`: seconds. */
  submit(request, { idempotencyKey, id, wait, signal } = {}) {
    const body = Array.isArray(request) ? { urls: request } : request;
    const headers = { prefer: wait ? `wait=${wait}` : undefined };
    if (id) return this.#call('PUT', jobPath(id), { body, headers, signal });
    headers['idempotency-key'] = idempotencyKey ?? randomKey();
    return this.#call('POST', 'v1/jobs', { body, headers, signal });
  }

  /** A job as it is now; with `wait`, when it has ended or so many seconds have passed. */
  job(job, { wait, signal } = {}) {
    return this.#call('GET', jobPath(job), { query: { wait }, signal });
  }

  /** The caller's jobs, newest first, page by page as they are asked for. */
  jobs({ status, tag, pageSize, signal } = {}) {
    return this.#pages('v1/jobs', 'jobs', { status, tag, page_size: pageSize }, signal);
  }

  /** A job's items in the order given, page by page as they are asked for. */
  items(job, { status, ref, url, pageSize, signal } = {}) {
    return this.#pages(jobPath(job, '/items'), 'items', { status, ref, url, page_size: pageSize }, signal);
  }

  item(job, item, { signal } = {}) {
    return this.#call('GET', jobPath(job, `/items/${encodeURIComponent(idOf(item))}`), { signal });
  }

  /** The job and all its items in one document. */
  manifest(job, { signal } = {}) {
    return this.#call('GET', jobPath(job, '/manifest'), { signal });
  }

  /** What was made, as a zip: a Response whose body is streamed. */
  archive(job, { variant, signal } = {}) {
    return this.#call('GET', jobPath(job, '/archive'), { query: { variant }, headers: { accept: '*/*' }, as: (r) => r, signal });
  }

  cancel(job, { signal } = {}) {
    return this.#call('POST', jobPath(job, '/cancel'), { signal });
  }

  /** Runs again what failed; `confirmCharge`: that too whose earlier call may have been charged. */
  retry(job, { confirmCharge, signal } = {}) {
    return this.#call('POST', jobPath(job, '/retry'), { body: confirmCharge ? { confirm_charge: true } : undefined, once: true, signal });
  }

  /** Cancels a job and forgets it; `results`: what it made too. */
  async delete(job, { results, signal } = {}) {
    await this.#call('DELETE', jobPath(job), { query: { results }, signal });
  }

  usage({ from, to, signal } = {}) {
    return this.#call('GET', 'v1/usage', { query: { from, to }, signal });
  }

  presets({ signal } = {}) {
    return this.#call('GET', 'v1/presets', { signal });
  }

  /** What a browser may hold: a token to submit within bounds, or to read one job. Takes a key. */
  createToken(grant, { signal } = {}) {
    return this.#call('POST', 'v1/tokens', { body: grant, once: true, signal });
  }

  /** Watches a job, by its document, its id, or its events URL. */
  watch(target, options = {}) {
    const id = typeof target === 'string' && !target.includes('/') ? target : undefined;
    const known = id ?? target.id ?? idInUrl(target.events_url ?? target);
    const open = (signal) => this.job(known, { signal });
    const { fetch, WebSocket, refresh } = this.#o;
    const own = { fetch, WebSocket, remembered: this.#remembered };
    if (known && (this.#token || refresh)) own.open = open;
    return new Watch(id || (!target.events_url && target.id) ? open : target, { ...own, ...options });
  }

  /* ---- calls ------------------------------------------------------------------------------------ */

  async *#pages(path, list, query, signal) {
    for (let token; ;) {
      const page = await this.#call('GET', path, { query: { ...query, page_token: token }, signal });
      yield* page[list];
      token = page.next_page_token;
      if (!token) return;
    }
  }

  #url(path, query = {}) {
    const url = new URL(path, this.#o.server);
    for (const [name, value] of Object.entries(query)) if (value !== undefined && value !== false) url.searchParams.set(name, String(value));
    return url;
  }

  /** One call, repeated where that is harmless; `once`: it may not be. */
  async #call(method, path, { once, ...call } = {}) {
    for (let n = 0, renewed = false; ;) {
      try {
        return await this.#send(method, path, call);
      } catch (e) {
        if (e instanceof ProblemError && e.status === 401 && !renewed && this.#o.refresh) {
          renewed = true;
          this.#token = await this.#o.refresh({ problem: e, signal: call.signal });
          continue;
        }
        const passes = e instanceof ConnectionError ? !once : isLater(e) && (!once || e.status === 429);
        if (!passes || n >= this.#o.retries) throw e;
        await pause(Math.max((e.retryAfter ?? 0) * 1000, backoff(n++, this.#o.backoff)), call.signal);
      }
    }
  }

  async #send(method, path, { query, body, headers = {}, signal, as = (r) => r.json() }) {
    const all = { accept: 'application/json', ...headers };
    if (this.#token) all.authorization = `Bearer ${this.#token}`;
    if (body !== undefined) all['content-type'] = 'application/json';
    for (const name of Object.keys(all)) if (all[name] === undefined) delete all[name];
    const response = await reach(this.#o.fetch, this.#url(path, query), { method, headers: all, signal,
      body: body === undefined ? undefined : JSON.stringify(body) });
    if (!response.ok) throw await problemOf(response);
    if (response.status === 204) return undefined;
    try {
      return await as(response);
    } catch (e) {
      signal?.throwIfAborted();
      throw new ConnectionError(`the answer of ${method} ${path} broke off`, e);
    }
  }
}

export function createClient(options) {
  return new Client(options);
}
