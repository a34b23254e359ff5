// The server of bulb's http room and nothing else, and what it counts.
import { join } from 'node:path';
import { build, start } from './harness.mjs';

export const echoBin = process.env.BULB_HTTP_ECHO ?? join(build, 'tests/unit/http/http_echo');
export const echoServer = (t, args = []) => start(t, echoBin, args, { ready: /^listening on (http:\/\/\S+)/ });

/** { name: number } of all that it counts. */
export async function stats(url) {
  const text = await (await fetch(`${url}/stats`)).text();
  return Object.fromEntries(text.trim().split('\n').map((l) => l.split('=')).map(([k, v]) => [k, Number(v)]));
}
