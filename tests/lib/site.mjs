// What most end-to-end tests begin with: an origin, and a server of ours that may reach it.
import { after, bulb, tempDir } from './harness.mjs';
import { startOrigin } from './origin.mjs';

/** One small variant: quick to make, enough to see that it was. */
export const small = [{ name: 'a', width: 32, format: 'jpeg' }];

export async function origin(t, opts) {
  const o = await startOrigin(opts);
  after(t, () => o.close());
  return o;
}

export async function site(t, args = []) {
  const source = await origin(t);
  const data = tempDir(t);
  const server = await bulb(t, data, args);
  return { origin: source, server, data, base: server.url };
}
