// SPDX-License-Identifier: MIT
//
// Where an event log is read: by socket at one URL, by fetch at another, which is the same one with
// another scheme unless sockets and requests take different roads.

const isUrl = (text) => /^(https?|wss?):/i.test(text);

function withScheme(url, scheme) {
  const out = new URL(url, globalThis.location?.href);
  const secure = out.protocol === 'https:' || out.protocol === 'wss:';
  out.protocol = secure ? `${scheme}s:` : `${scheme}:`;
  return out;
}

export class Address {
  /** @param {string | URL} eventsUrl @param {string | URL} [httpUrl] */
  constructor(eventsUrl, httpUrl) {
    this.socketUrl = withScheme(eventsUrl, 'ws');
    this.httpUrl = withScheme(httpUrl ?? eventsUrl, 'http');
    const token = this.socketUrl.searchParams.get('token');
    if (token && !this.httpUrl.searchParams.has('token')) this.httpUrl.searchParams.set('token', token);
  }

  /** What stays the same when a token is renewed. */
  get key() {
    return this.socketUrl.host + this.socketUrl.pathname;
  }

  get origin() {
    return this.socketUrl.origin;
  }

  /** The same log, with what a refresh hook gave: a token, or a whole URL. */
  renewed(given) {
    const text = String(given);
    if (isUrl(text)) return new Address(text);
    const next = new Address(this.socketUrl, this.httpUrl);
    for (const url of [next.socketUrl, next.httpUrl]) url.searchParams.set('token', text);
    return next;
  }

  socket(query) {
    return asking(this.socketUrl, query);
  }

  http(query) {
    return asking(this.httpUrl, query);
  }
}

function asking(url, query) {
  const out = new URL(url);
  for (const [name, value] of Object.entries(query)) if (value) out.searchParams.set(name, String(value));
  return out.href;
}
