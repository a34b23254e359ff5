// SPDX-License-Identifier: MIT
//
// Three ways to read a log, each one connection from `after` until it ends. None of them decides what
// an end means or comes again: they say how it ended, and the watch goes on from there.
//
// A line is what a transport reads with: { address, after, signal, fetch, WebSocket, limits, memory,
// opened(), alive(sequence), take(event) }. alive() and take() answer undefined, or how the reading
// must end ('gap', 'full'). An outcome is { end, code?, reason? }:
//
//   done     the whole log of an ended job was read     closed   the other side ended it properly
//   lost     it did not open, broke, or went quiet      refused  something in between does not let it
//   page     one page was read                          gap full take() said so
import { linked, watchdog } from './pause.js';
import { problemOf, reach } from './problem.js';
import { sseParser } from './sse.js';

/* How long nothing may be heard: before the first byte, and afterwards. */
const firstLimit = ({ after, limits }) => (after === 0 ? limits.open : limits.quiet);

function parsed(text) {
  try {
    const doc = JSON.parse(text);
    return doc && typeof doc === 'object' ? doc : undefined;
  } catch {
    return undefined;
  }
}

/** What a message means for the connection: undefined to go on. */
function hear(line, text) {
  const doc = parsed(text);
  if (!doc) return 'lost';
  return doc.type === 'heartbeat' ? line.alive(Number(doc.sequence)) : line.take(doc);
}

/* A page under https may not even ask for ws. */
function opened(line, url) {
  try {
    return new line.WebSocket(url);
  } catch {
    return undefined;
  }
}

export function overWebSocket(line) {
  const { address, after, signal, limits } = line;
  const socket = opened(line, address.socket({ after, heartbeat: limits.heartbeat }));
  if (!socket) return Promise.resolve({ end: 'refused' });
  return new Promise((ok, fail) => {
    const dog = watchdog(limits.open, () => end({ end: 'lost', reason: 'quiet' }));
    const leave = () => {
      dog.stop();
      signal.removeEventListener('abort', onAbort);
      socket.onopen = socket.onmessage = socket.onclose = null;
      socket.onerror = () => {}; // closing before it is open is an error to some
      socket.close();
    };
    const end = (outcome) => {
      leave();
      ok(outcome);
    };
    const onAbort = () => {
      leave();
      fail(signal.reason);
    };
    signal.addEventListener('abort', onAbort);
    socket.onerror = () => {}; // a close follows
    socket.onopen = () => {
      dog.touch(firstLimit(line));
      line.opened();
    };
    socket.onmessage = ({ data }) => {
      dog.touch(limits.quiet);
      const why = hear(line, data);
      if (why) end({ end: why });
    };
    socket.onclose = ({ code, reason }) => end({ end: code === 1000 ? 'closed' : 'lost', code, reason });
  });
}

/** Runs fn with a signal that a watchdog aborts; { late } tells that it did. */
async function guarded(line, ms, fn) {
  const own = linked(line.signal);
  const guard = { late: false, signal: own.signal, touch: (next) => dog.touch(next) };
  const dog = watchdog(ms, () => {
    guard.late = true;
    own.abort(new Error('too quiet'));
  });
  try {
    return await fn(guard);
  } finally {
    dog.stop();
    own.release();
    own.abort();
  }
}

async function readStream(line, body, guard) {
  const reader = body.getReader();
  const decoder = new TextDecoder();
  let why;
  const feed = sseParser(({ data }) => (why ??= hear(line, data)));
  try {
    for (;;) {
      const { done, value } = await reader.read();
      if (done) return { end: 'closed' };
      guard.touch(line.limits.sseQuiet);
      line.alive(NaN);
      feed(decoder.decode(value, { stream: true }));
      if (why) return { end: why };
    }
  } catch {
    line.signal.throwIfAborted();
    return { end: 'lost', reason: guard.late ? 'quiet' : undefined };
  }
}

export function overSse(line) {
  return guarded(line, line.limits.open, async (guard) => {
    let response;
    try {
      response = await reach(line.fetch, line.address.http({ after: line.after }),
        { headers: { accept: 'text/event-stream' }, cache: 'no-store', signal: guard.signal });
    } catch (e) {
      line.signal.throwIfAborted();
      return { end: 'lost', cause: e };
    }
    if (response.status === 204) return { end: 'done' };
    if (!response.ok) throw await problemOf(response);
    if (!/^text\/event-stream/.test(response.headers.get('content-type') ?? '') || !response.body) return { end: 'refused' };
    line.opened();
    return readStream(line, response.body, guard);
  });
}

/** One page of the log: its events are taken. Also how everything else asks why it was refused. */
export async function onePage(line, wait = 0) {
  return guarded(line, wait * 1000 + line.limits.open, async ({ signal }) => {
    let response;
    let page;
    try {
      response = await reach(line.fetch, line.address.http({ after: line.after, wait }),
        { headers: { accept: 'application/json' }, cache: 'no-store', signal });
      page = response.ok ? parsed(await response.text()) : undefined;
    } catch (e) {
      line.signal.throwIfAborted();
      return { end: 'lost', cause: e };
    }
    if (!response.ok) throw await problemOf(response);
    if (!Array.isArray(page?.events)) return { end: 'refused' };
    line.opened();
    line.alive(NaN);
    for (const event of page.events) {
      const why = line.take(event);
      if (why) return { end: why };
    }
    return { end: page.done ? 'done' : 'page', next: Number(page.next) };
  });
}

/** Pages, each waited for; a gateway that does not let us wait so long is asked for less. */
export async function overPoll(line) {
  const { memory, limits } = line;
  for (;;) {
    const wait = Math.min(memory.wait ?? limits.wait, limits.wait);
    const began = Date.now();
    try {
      const outcome = await onePage(line, wait);
      if (outcome.end === 'lost') memory.wait = shorter(wait, began);
      if (outcome.end !== 'page') return outcome;
      line.after = Math.max(line.after, outcome.next || 0);
    } catch (e) {
      if ([408, 502, 504].includes(e?.status)) memory.wait = shorter(wait, began);
      throw e;
    }
  }
}

/* Only what broke while it waited says anything of how long one may wait. */
const shorter = (wait, began) => (Date.now() - began > 500 ? Math.max(1, Math.floor(wait / 2)) : wait);

export const transports = { websocket: overWebSocket, sse: overSse, poll: overPoll };
