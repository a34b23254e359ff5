// SPDX-License-Identifier: MIT
import type { BatchOptions, BatchState } from './state.js';

export interface ReactBatch extends BatchState {
  /** 0 … 1. */
  readonly progress: number;
  resume(): void;
}

/** A batch, live; nothing is watched until there is a URL. Options are read when the job changes. */
export function useBatch(eventsUrl: string | URL | null | undefined, options?: BatchOptions): ReactBatch;
