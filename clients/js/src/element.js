// SPDX-License-Identifier: MIT
//
// Importing this makes <bulb-batch> known. On a server `bulb-client/element` is batch_element.js alone.
import { defineBatch } from './batch_element.js';

export * from './batch_element.js';

if (globalThis.customElements) defineBatch();
