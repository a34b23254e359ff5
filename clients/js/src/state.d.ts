// SPDX-License-Identifier: MIT
import type { Active, BulbEvent, Connection, Counts, Item, Job, Watch, WatchOptions } from './index.js';

export interface BatchItem extends Item {
  /** What it was before it was tried again. */
  readonly before?: Item;
}

export interface BatchState {
  readonly job: Omit<Job, 'events_url'> | null;
  readonly counts: Counts | null;
  /** Those an event has spoken of, in the order given. What did not change is the same object. */
  readonly items: readonly BatchItem[];
  /** What is being worked on, by item id. */
  readonly active: Readonly<Record<string, Active>>;
  /** The number of the last event in here. */
  readonly after: number;
  readonly done: number;
  readonly total: number;
  /** What ended the watch. */
  readonly error: unknown;
  readonly connection: Connection;
}

export type BatchAction = BulbEvent | { connection: Connection } | { error: unknown } | { whole: Item[] };

export function initialState(): BatchState;
/** Pure. A replayed event changes nothing: the same state comes back. */
export function reduce(state: BatchState, action: BatchAction): BatchState;
export function reduceAll(state: BatchState, actions: readonly BatchAction[]): BatchState;
export function itemOf(state: BatchState, id: string): BatchItem | undefined;
/** 0 … 1. */
export function progressOf(state: BatchState): number;
export function hasEnded(state: BatchState): boolean;

export interface BatchOptions extends Omit<WatchOptions, 'after'> {
  /** Begin with this, and read on from its `after`. */
  initial?: BatchState;
  /** Gets an item that an event could not hold whole. Default: from next to the events. */
  loadItem?: (item: string, job: string) => Promise<Item | undefined>;
  watch?: (target: string | URL, options: WatchOptions) => Watch;
}

export interface Batch {
  getState(): BatchState;
  /** Watches while somebody is subscribed. */
  subscribe(fn: () => void): () => void;
  /** The same log by another token. */
  setUrl(eventsUrl: string | URL): void;
  /** Reads on: after a retry of the job, or after an error. */
  resume(): void;
  close(): void;
}

export function createBatch(eventsUrl: string | URL | null | undefined, options?: BatchOptions): Batch;
