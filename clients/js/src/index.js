// SPDX-License-Identifier: MIT
//
// bulb-client: hand in batches, watch them live.
export { createClient, Client } from './client.js';
export { watch, Watch, WatchEvent } from './watch.js';
export { ProblemError, ConnectionError } from './problem.js';
