// SPDX-License-Identifier: MIT

export interface Problem {
  type?: string;
  title?: string;
  status?: number;
  detail?: string;
  instance?: string;
  /** Stable: https://…/errors/{code} says what happened and what to do. */
  code: string;
  errors?: { detail: string; pointer: string }[];
}

/** The server refused. Something in between that answers with a page of its own has the code `http_<status>`. */
export class ProblemError extends Error {
  constructor(problem: Problem, more?: { retryAfter?: number; requestId?: string });
  readonly name: 'ProblemError';
  readonly code: string;
  readonly status: number;
  readonly type?: string;
  readonly title?: string;
  readonly detail?: string;
  readonly instance?: string;
  readonly errors: { detail: string; pointer: string }[];
  /** Seconds. */
  readonly retryAfter?: number;
  readonly requestId?: string;
}

/** Nobody answered. */
export class ConnectionError extends Error {
  constructor(message: string, cause?: unknown);
  readonly name: 'ConnectionError';
  readonly cause: unknown;
}

export interface Variant {
  name: string;
  width?: number;
  height?: number;
  fit?: 'cover' | 'contain' | 'fill' | 'inside' | 'outside';
  position?: string;
  without_enlargement?: boolean;
  format?: 'jpeg' | 'png' | 'webp' | 'avif';
  quality?: number;
  effort?: number;
  lossless?: boolean;
  progressive?: boolean;
  background?: string | { r: number; g: number; b: number; alpha?: number };
}

export interface Background {
  remove: boolean;
  engine?: 'local' | 'auto' | 'remote' | 'flat';
  model?: string;
  apply?: 'cutout' | 'variants' | 'both';
  format?: 'png' | 'webp';
  fill?: string | object | null;
  crop?: boolean;
  margin?: number | string;
  max_cost?: number;
}

export interface Source {
  url: string;
  ref?: string;
  cache_key?: string;
  headers?: Record<string, string>;
  preset?: string;
  variants?: Variant[];
  background?: Background;
  metadata?: Record<string, unknown>;
}

export interface JobRequest {
  urls?: (string | Source)[];
  from?: { job: string; status?: ItemStatus };
  preset?: string;
  variants?: Variant[];
  background?: Background;
  cache?: 'default' | 'reload' | 'only_if_cached';
  priority?: 'interactive' | 'normal' | 'bulk';
  deadline?: number;
  keep_source?: boolean;
  dry_run?: boolean;
  webhook?: { url: string; events?: string[] };
  tag?: string;
  metadata?: Record<string, unknown>;
}

export type JobStatus = 'queued' | 'running' | 'succeeded' | 'partial' | 'failed' | 'canceled';
export type ItemStatus = 'queued' | 'downloading' | 'processing' | 'storing' | 'succeeded' | 'failed' | 'canceled';

export interface Counts {
  total: number;
  duplicates: number;
  queued: number;
  running: number;
  succeeded: number;
  failed: number;
  canceled: number;
  cached: number;
  cutouts: { succeeded: number; failed: number; none: number };
}

export interface Job {
  id: string;
  status: JobStatus;
  created_at: string;
  expires_at: string | null;
  tag?: string | null;
  metadata?: Record<string, unknown>;
  counts: Counts;
  savings: { downloads: number; encodes: number; paid_calls: number };
  /** Not in events. */
  events_url: string;
  links: Record<string, string>;
}

export interface Picture {
  key: string;
  url: string;
  format: string;
  width: number;
  height: number;
  bytes: number;
  sha256: string;
}

export interface Cutout extends Partial<Picture> {
  status: 'pending' | 'succeeded' | 'failed' | 'none';
  left?: number;
  top?: number;
  engine?: string;
  confidence?: number | null;
  cost?: number;
  reason?: string;
  error?: Problem | null;
}

export interface Item {
  id: string;
  url: string;
  refs: string[];
  metadata?: Record<string, unknown>;
  status: ItemStatus;
  cache: 'miss' | 'revalidated' | 'hit' | 'coalesced' | null;
  source: Picture | null;
  placeholder: { thumbhash: string; color: string } | null;
  variants: (Picture & { name: string })[];
  cutout: Cutout | null;
  timing_ms: { queued?: number; download?: number; process?: number; store?: number } | null;
  run: number;
  tries: number;
  error: (Problem & { stage?: string; retryable?: boolean; source_status?: number; final_url?: string }) | null;
  /** Some of `variants` and `refs` were left out of an event. */
  truncated?: boolean;
}

export interface Active {
  id: string;
  stage: string;
  bytes?: number;
  bytes_total?: number | null;
}

interface Envelope<Type extends string, Data> {
  specversion: '1.0';
  id: string;
  source: string;
  subject?: string;
  time: string;
  /** Twelve digits, from 000000000001, one more each. */
  sequence: string;
  type: Type;
  data: Data;
}

export type JobEvent = Envelope<
  'job.created' | 'job.started' | 'job.progress' | 'job.succeeded' | 'job.partial' | 'job.failed' | 'job.canceled' | 'job.retried',
  Omit<Job, 'events_url'> & { active?: Active[] }
>;
export type ItemEvent = Envelope<'item.started' | 'item.progress' | 'item.succeeded' | 'item.failed' | 'item.canceled', Item>;
/** A CloudEvent of a job's log. */
export type BulbEvent = JobEvent | ItemEvent;

export type Transport = 'websocket' | 'sse' | 'poll';

export interface Connection {
  phase: 'idle' | 'connecting' | 'live' | 'waiting' | 'complete' | 'failed' | 'closed';
  transport?: Transport;
  /** The last event that was there when this began: where it resumes. */
  after: number;
  /** Failures in a row. */
  attempt?: number;
  retryInMs?: number;
  error?: unknown;
}

/** Called when a token is refused; gives another one, or a whole events URL, or nothing to give up. */
export type Refresh = (why: { problem: ProblemError; url?: string; signal?: AbortSignal }) =>
  | Promise<string | URL | undefined | null>
  | string | URL | undefined | null;

export interface WatchOptions {
  /** The number of the last event that is known already. */
  after?: number | string;
  signal?: AbortSignal;
  /** Which may be used, the best first. Default: all that there are. */
  transports?: Transport[];
  refresh?: Refresh;
  fetch?: typeof fetch;
  /** A class in place of the global one; null for none. */
  WebSocket?: any;
  /** Where events are fetched when sockets take another road. */
  httpUrl?: string | URL;
  /** Seconds of silence after which the server says that it is there. Default 15: a dead connection is noticed after 35. */
  heartbeat?: number;
  /** Milliseconds: `open` until a connection must have spoken, `quiet` until it must speak again; `wait`: seconds of a long poll. */
  limits?: { open?: number; quiet?: number; sseQuiet?: number; wait?: number };
  backoff?: { base?: number; most?: number };
}

type EventOf<Type> = Extract<BulbEvent, { type: Type }> extends never
  ? (Type extends JobEvent['type'] ? JobEvent : ItemEvent)
  : Extract<BulbEvent, { type: Type }>;

export interface WatchMap {
  event: BulbEvent;
  connection: Connection;
  complete: JobEvent['data'] | undefined;
  closed: JobEvent['data'] | undefined;
  error: unknown;
}

export class WatchEvent<Detail = unknown> extends Event {
  readonly detail: Detail;
}

/** A job's log, read to its end. Begins when it is iterated, listened to, or started. */
export class Watch extends EventTarget implements AsyncIterable<BulbEvent> {
  constructor(target: WatchTarget | (() => Promise<{ events_url: string }>), options?: WatchOptions);
  readonly connection: Connection;
  /** The number of the last event that was handed on. */
  readonly after: number;
  /** The job as it ended; rejects when the watch fails or is aborted. */
  readonly finished: Promise<JobEvent['data'] | undefined>;
  /** Answers how to stop listening. */
  on<Type extends keyof WatchMap>(type: Type, fn: (detail: WatchMap[Type]) => void): () => void;
  on<Type extends BulbEvent['type']>(type: Type, fn: (event: EventOf<Type>) => void): () => void;
  start(): this;
  close(): void;
  [Symbol.asyncIterator](): AsyncIterableIterator<BulbEvent>;
}

export type WatchTarget = string | URL | { events_url: string; links?: Record<string, string> };

/** Watches a job by its `events_url`, or by the job's document. */
export function watch(target: WatchTarget, options?: WatchOptions): Watch;

export interface ClientOptions {
  /** Where bulb is, path prefix included. Default in a browser: the page's own origin. */
  server?: string | URL;
  /** For servers only: a page gets a token. */
  key?: string;
  token?: string;
  /** Gives another key or token when one is refused. */
  refresh?: Refresh;
  fetch?: typeof fetch;
  WebSocket?: any;
  /** How often a call is repeated that was not answered or was asked to come later. Default 3. */
  retries?: number;
  backoff?: { base?: number; most?: number };
}

export interface Usage {
  from: string;
  to: string;
  totals: Record<string, number>;
  credits: { spent: number; unknown: number; reserved: number; limit: number | null };
  limits: Record<string, { limit: number; left?: number; resets_at?: string }>;
  saved: Record<string, number>;
  days: { date: string; [name: string]: unknown }[];
}

export interface DryRun {
  dry_run: true;
  counts: { total: number; duplicates: number };
  estimate: Record<string, number>;
}

export type Grant =
  | { allow: 'submit'; max_jobs?: number; max_urls?: number; presets?: string[]; background?: boolean; max_cost?: number;
      sources?: string[]; origin?: string; expires_in?: number }
  | { allow: 'read'; job: string; expires_in?: number };

interface Call {
  signal?: AbortSignal;
}

export class Client {
  constructor(options?: ClientOptions);
  /** Hands in a job. It may be repeated without harm: there is always an Idempotency-Key. */
  submit(request: JobRequest & { dry_run: true }, options?: SubmitOptions): Promise<DryRun>;
  submit(request: JobRequest | string[], options?: SubmitOptions): Promise<Job>;
  /** A job as it is now; `wait`: when it has ended, or after so many seconds. */
  job(job: string | { id: string }, options?: Call & { wait?: number }): Promise<Job>;
  jobs(options?: Call & { status?: JobStatus; tag?: string; pageSize?: number }): AsyncGenerator<Job, void, void>;
  items(job: string | { id: string }, options?: Call & { status?: ItemStatus; ref?: string; url?: string; pageSize?: number }): AsyncGenerator<Item, void, void>;
  item(job: string | { id: string }, item: string | { id: string }, options?: Call): Promise<Item>;
  /** The job and all its items in one document. */
  manifest(job: string | { id: string }, options?: Call): Promise<{ bulb: string; job: Job; items: Item[] }>;
  /** What was made, as a zip: a Response whose body is streamed; `variant`: only this, `original` or `cutout`. */
  archive(job: string | { id: string }, options?: Call & { variant?: string }): Promise<Response>;
  cancel(job: string | { id: string }, options?: Call): Promise<Job>;
  retry(job: string | { id: string }, options?: Call & { confirmCharge?: boolean }): Promise<Job>;
  delete(job: string | { id: string }, options?: Call & { results?: boolean }): Promise<void>;
  usage(options?: Call & { from?: string; to?: string }): Promise<Usage>;
  presets(options?: Call): Promise<Record<string, unknown>>;
  createToken(grant: Grant, options?: Call): Promise<{ token: string; expires_at: string }>;
  /** By the job's document, its id, or its `events_url`. */
  watch(target: WatchTarget | { id: string }, options?: WatchOptions): Watch;
}

export interface SubmitOptions extends Call {
  idempotencyKey?: string;
  /** An id of your own: PUT in place of POST. */
  id?: string;
  /** Seconds to wait for the job to end, at most 25. */
  wait?: number;
}

export function createClient(options?: ClientOptions): Client;
