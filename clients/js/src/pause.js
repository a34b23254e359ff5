// SPDX-License-Identifier: MIT
//
// Waiting: for a time, for a time that grows, and all of it until somebody aborts.

/** Resolves after ms; rejects with the signal's reason. `wake` gets a function that ends it early. */
export function pause(ms, signal, wake) {
  return new Promise((ok, fail) => {
    if (signal?.aborted) {
      fail(signal.reason);
      return;
    }
    const end = (then, value) => () => {
      clearTimeout(timer);
      signal?.removeEventListener('abort', onAbort);
      then(typeof value === 'function' ? value() : value);
    };
    const onAbort = end(fail, () => signal.reason);
    const timer = setTimeout(end(ok), ms);
    signal?.addEventListener('abort', onAbort);
    wake?.(end(ok));
  });
}

/** How long to wait before the nth try (0 is the first): doubling, the upper half of it by chance. */
export function backoff(n, { base = 500, most = 15000, random = Math.random } = {}) {
  const ceiling = Math.min(most, base * 2 ** Math.min(n, 16));
  return ceiling / 2 + (ceiling / 2) * random();
}

/** A controller that is aborted with another signal, and can be on its own. Call release() at the end. */
export function linked(signal) {
  const own = new AbortController();
  const onAbort = () => own.abort(signal.reason);
  if (signal?.aborted) onAbort();
  else signal?.addEventListener('abort', onAbort);
  return {
    signal: own.signal,
    abort: (reason) => own.abort(reason),
    release: () => signal?.removeEventListener('abort', onAbort),
  };
}

/** A clock that calls `late` when touch() was not called for `ms`; look at the clock, not at timers,
 * because a machine that slept runs old timers first. */
export function watchdog(ms, late) {
  let seen = Date.now();
  let limit = ms;
  let timer;
  const look = () => {
    const left = seen + limit - Date.now();
    if (left <= 0) late();
    else timer = setTimeout(look, left);
  };
  timer = setTimeout(look, ms);
  return {
    /** @param {number} [next] the limit from now on */
    touch(next) {
      seen = Date.now();
      if (next !== undefined && next !== limit) {
        limit = next;
        clearTimeout(timer);
        timer = setTimeout(look, limit);
      }
    },
    stop: () => clearTimeout(timer),
  };
}
