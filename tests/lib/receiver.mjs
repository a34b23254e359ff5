// Who gets webhooks: keeps what came, checks it as the public library does and against asyncapi.yaml, and
// answers as the test says.
import http from 'node:http';
import { randomBytes } from 'node:crypto';
import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { Webhook } from 'standardwebhooks';
import { after, until } from './harness.mjs';
import { asyncapi, checkEvent } from './api_documents.mjs';

export const newSecret = (bytes = 32) => `whsec_${randomBytes(bytes).toString('base64')}`;
/** A file for --webhook-secret-file. */
export function secretFile(dir, ...secrets) {
  const path = join(dir, `hook-${randomBytes(4).toString('hex')}`);
  writeFileSync(path, `${secrets.join(' ')}\n`);
  return path;
}
/** The event, or an error: what a user's receiver does. */
export const verified = (letter, secret) => new Webhook(secret).verify(letter.body, letter.headers);
export const isFrom = (letter, secret) => {
  try {
    return verified(letter, secret) && true;
  } catch {
    return false;
  }
};

function check({ headers, body, event, method }) {
  const { required, properties } = asyncapi.components.messages.delivery.headers;
  if (method !== 'POST' || headers['content-type'] !== 'application/cloudevents+json') throw new Error(`${method} ${headers['content-type']}`);
  for (const name of required) if (!new RegExp(properties[name].pattern ?? '.').test(headers[name])) throw new Error(`${name}: ${headers[name]}`);
  if (headers['webhook-id'] !== event.id) throw new Error(`id ${headers['webhook-id']} of ${event.id}`);
  if (Buffer.byteLength(body) > 20000) throw new Error(`${Buffer.byteLength(body)} bytes`);
  checkEvent(event);
}

/**
 * { url, got, faults, answer, close(), hits(path), wait(what, n) }. answer(letter, res): replies in place of 204; returning false
 * leaves the sender waiting. letter: { path, headers, body, event, at }.
 */
export async function receiver(t, { host = '127.0.0.1', port = 0, answer } = {}) {
  const r = { got: [], faults: [], answer };
  const server = http.createServer((req, res) => {
    const parts = [];
    req.on('data', (d) => parts.push(d)).on('end', () => {
      const letter = { path: req.url, method: req.method, headers: req.headers, body: Buffer.concat(parts).toString(), at: Date.now() };
      try {
        letter.event = JSON.parse(letter.body);
        check(letter);
      } catch (e) {
        r.faults.push(e.message);
      }
      r.got.push(letter);
      if (r.answer) r.answer(letter, res);
      else res.writeHead(204).end();
    });
  });
  await new Promise((ok, fail) => server.on('error', fail).listen(port, host, ok));
  r.port = server.address().port;
  r.url = `http://${host}:${r.port}`;
  r.close = () => new Promise((ok) => {
    server.close(ok);
    server.closeAllConnections?.();
  });
  after(t, async () => {
    await r.close();
    if (r.faults.length) throw new Error(`what came was not right: ${r.faults.slice(0, 3).join('; ')}`);
  });
  r.hits = (path) => r.got.filter((l) => l.path === path);
  r.wait = (path, n = 1, ms) => until(`${n} webhooks at ${path}`, () => r.hits(path).length >= n && r.hits(path), ms);
  return r;
}
