// SPDX-License-Identifier: MIT
//
// What can go wrong, as classes: an answer of the server's that is a problem document (RFC 9457), and a
// server that could not be reached. An answer of a gateway's, which is no problem document, becomes one
// with the code `http_<status>`, so that there is one thing to catch.

/** The server refused. `code` is stable; https://…/errors/{code} says what to do. */
export class ProblemError extends Error {
  /**
   * @param {Record<string, any>} doc a problem document
   * @param {{retryAfter?: number, requestId?: string}} [more]
   */
  constructor(doc, { retryAfter, requestId } = {}) {
    super(doc.detail || doc.title || doc.code || 'refused');
    this.name = 'ProblemError';
    this.code = doc.code ?? 'unknown';
    this.status = doc.status ?? 0;
    this.type = doc.type;
    this.title = doc.title;
    this.detail = doc.detail;
    this.instance = doc.instance;
    this.errors = doc.errors ?? [];
    this.retryAfter = retryAfter;
    this.requestId = requestId;
  }
}

/** Nobody answered: no network, no server, or a connection that broke. The cause is in `cause`. */
export class ConnectionError extends Error {
  constructor(message, cause) {
    super(message);
    this.name = 'ConnectionError';
    this.cause = cause;
  }
}

/** Retry-After in seconds, of either form. */
function retryAfter(headers) {
  const text = headers.get('retry-after');
  if (!text) return undefined;
  const s = /^\d+$/.test(text) ? Number(text) : (Date.parse(text) - Date.now()) / 1000;
  return Number.isFinite(s) ? Math.max(0, s) : undefined;
}

/** @param {Response} response one that is not ok @returns {Promise<ProblemError>} */
export async function problemOf(response) {
  const more = { retryAfter: retryAfter(response.headers), requestId: response.headers.get('x-request-id') ?? undefined };
  const text = await response.text().catch(() => '');
  try {
    const doc = JSON.parse(text);
    if (doc && typeof doc.code === 'string') return new ProblemError({ status: response.status, ...doc }, more);
  } catch {
    // a gateway's page
  }
  const { status, statusText } = response;
  return new ProblemError({ code: `http_${status}`, status, title: statusText || `status ${status}` }, more);
}

/** fetch(), but whoever is not reached is a ConnectionError. An abort stays what it is. */
export async function reach(fetch, url, init) {
  try {
    return await fetch(url, init);
  } catch (e) {
    init?.signal?.throwIfAborted();
    throw new ConnectionError(`no answer from ${new URL(url).host}`, e);
  }
}
