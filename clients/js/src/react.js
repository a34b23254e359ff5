// SPDX-License-Identifier: MIT
//
// useBatch: a batch as React state. The store lives as long as the component and watches while it is
// mounted; a component that is mounted again goes on from where it was.
import { useCallback, useMemo, useSyncExternalStore } from 'react';
import { createBatch, initialState, progressOf } from './state.js';

/* The token of an events URL may change; the log it leads to is the same. */
function logOf(eventsUrl) {
  return eventsUrl ? String(eventsUrl).replace(/[?#].*/, '') : '';
}

/**
 * @param {string | URL | null | undefined} eventsUrl nothing is watched until there is one
 * @param {object} [options] as of createBatch(); read when the log changes
 */
export function useBatch(eventsUrl, options) {
  const log = logOf(eventsUrl);
  const batch = useMemo(() => createBatch(eventsUrl, options), [log]);
  const subscribe = useCallback((fn) => {
    batch.setUrl(eventsUrl);
    return batch.subscribe(fn);
  }, [batch, eventsUrl && String(eventsUrl)]);
  const state = useSyncExternalStore(subscribe, batch.getState, initialState);
  return useMemo(() => ({ ...state, progress: progressOf(state), resume: () => batch.resume() }), [state, batch]);
}
