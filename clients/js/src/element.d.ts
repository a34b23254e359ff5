// SPDX-License-Identifier: MIT
import type { BatchItem, BatchOptions, BatchState } from './state.js';
import type { Connection } from './index.js';

type Label<Of> = string | ((of: Of) => string);

export interface Labels {
  batch: string;
  progress: string;
  retry: string;
  status: Label<BatchState>;
  connection: Partial<Record<Connection['phase'], Label<Connection>>>;
  item: Partial<Record<BatchItem['status'], Label<BatchItem>>>;
  cutout: Partial<Record<string, Label<BatchItem>>>;
}

export const LABELS: Labels;

export interface BulbBatch extends HTMLElement {
  eventsUrl: string;
  options: BatchOptions;
  labels: Labels;
  readonly state: BatchState;
  resume(): void;
  addEventListener(type: 'bulb-change' | 'bulb-end', listener: (event: CustomEvent<BatchState>) => void, options?: boolean | AddEventListenerOptions): void;
  addEventListener(type: 'bulb-item', listener: (event: CustomEvent<BatchItem>) => void, options?: boolean | AddEventListenerOptions): void;
  addEventListener(type: string, listener: EventListenerOrEventListenerObject, options?: boolean | AddEventListenerOptions): void;
}

/** The class of the element; made at the first call, in a browser. */
export function BatchElement(): { new (): BulbBatch };

/** Makes <bulb-batch> known, once. Importing `bulb-client/element` in a browser does so by itself. */
export function defineBatch(name?: string, registry?: CustomElementRegistry): void;

declare global {
  interface HTMLElementTagNameMap {
    'bulb-batch': BulbBatch;
  }
}
