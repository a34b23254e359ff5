// Servers with keys: made as an operator makes them, with everything secret that was ever seen written down,
// so that a test can look for it where it must not be.
import assert from 'node:assert/strict';
import { readFileSync, readdirSync } from 'node:fs';
import { join } from 'node:path';
import { WebSocket } from './socket.mjs';
import { run } from './harness.mjs';

/** Every secret that a test has seen; see leaks(). */
export const secrets = new Set();

export const bearer = (key) => (key ? { authorization: `Bearer ${key}` } : {});

/** `bulb key add`; {id, tenant, key, webhook_secret}. */
export async function addKey(data, name, ...args) {
  const r = await run(['key', 'add', name, '--json', '--data', data, ...args]);
  assert.equal(r.code, 0, r.err);
  const added = JSON.parse(r.out);
  secrets.add(added.key.split('_')[2]);
  if (added.webhook_secret) secrets.add(added.webhook_secret.slice(6));
  return added;
}

export async function revoke(data, { id }) {
  const r = await run(['key', 'revoke', id, '--data', data]);
  assert.equal(r.code, 0, r.err);
}

/** What is secret in an answer. */
export function note(answer) {
  for (const [, token] of answer.text?.matchAll(/[?&"]token(?:=|":")([rs][12]\.[^"&]+)/g) ?? []) secrets.add(token);
  for (const [, sig] of answer.text?.matchAll(/[?&]sig=([^"&]+)/g) ?? []) secrets.add(sig);
  return answer;
}

/** The secrets that stand in this text. */
export const leaks = (text) => [...secrets].filter((s) => text.includes(s));

/** All files of a data folder but the server's own secret, as one text. */
export const folder = (dir) => readdirSync(dir, { withFileTypes: true }).filter((f) => f.isFile() && f.name !== 'secret')
  .map((f) => readFileSync(join(dir, f.name), 'latin1')).join('\n');

/** Opens a WebSocket: {status: 101, ws, closed} or the {status} it was refused with. */
export function socket(url, headers = {}) {
  const ws = new WebSocket(url.replace(/^http/, 'ws'), { headers });
  const got = [];
  ws.on('message', (m) => got.push(JSON.parse(m)));
  const closed = new Promise((done) => ws.on('close', (code, reason) => done({ code, reason: reason.toString() })));
  ws.on('error', () => {});
  return new Promise((done) => {
    ws.on('open', () => done({ status: 101, ws, got, closed }));
    ws.on('unexpected-response', (req, res) => {
      req.destroy();
      done({ status: res.statusCode, headers: res.headers });
    });
  });
}
