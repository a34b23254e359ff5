// What AWS Lambda does around a function, in one process of node: the runtime API (2018-06-01) with its
// extensions (2020-01-01), the environment it starts, freezes for no one, kills at its deadline and
// starts again, and the Invoke call (2015-03-31) by which a function invokes itself. Also a server that
// takes reports of tasks, and checks who signed them.
import http from 'node:http';
import { createHmac, randomUUID } from 'node:crypto';
import { spawn } from 'node:child_process';
import { after, bulbBin, tempDir, until } from './harness.mjs';

const read = (req) => new Promise((ok, fail) => {
  const parts = [];
  req.on('data', (d) => parts.push(d)).on('end', () => ok(Buffer.concat(parts))).on('error', fail);
});
const listen = (server) => new Promise((ok) => server.listen(0, '127.0.0.1', () => ok(server.address().port)));

/** A server of `handle(req, body) → {status, headers, body} | null (never answer)`, and what it saw. */
export async function httpServer(t, handle) {
  const seen = [];
  const server = http.createServer(async (req, res) => {
    const body = await read(req).catch(() => null);
    if (body === null) return;
    const call = { method: req.method, url: req.url, headers: req.headers, raw: req.rawHeaders, body: body.toString() };
    seen.push(call);
    const answer = await handle(call);
    if (!answer) return;
    const text = typeof answer.body === 'string' || Buffer.isBuffer(answer.body) ? answer.body : JSON.stringify(answer.body ?? '');
    res.writeHead(answer.status ?? 200, { 'content-type': 'application/json', ...answer.headers }).end(text);
  });
  const port = await listen(server);
  after(t, () => { server.closeAllConnections?.(); server.close(); });
  return { url: `http://127.0.0.1:${port}`, port, seen, server };
}

/**
 * One function. invoke(event, {id, ms, trace, given}) resolves with {id, json, text} or {id, error, type, timeout, crashed}.
 * ms: its time limit; given(): it has just been handed over. Options: env, args, extensions (false: 404), maxAnswer, deadline(ms) what the header says.
 */
export async function lambda(t, { env = {}, args = [], extensions = true, maxAnswer = 6 << 20, limit = 60000, path = bulbBin, argv0,
  command = ['lambda'], deadline = (ms) => Date.now() + ms, cwd = tempDir(t) } = {}) {
  const f = { limit, calls: [], starts: 0, initErrors: [], pending: [], current: null, waiting: null, events: [], env: null, log: '', registered: 0 };

  const give = () => {
    if (!f.waiting || f.current || !f.pending.length) return;
    const inv = (f.current = f.pending.shift());
    const res = f.waiting;
    f.waiting = null;
    inv.deliveries++;
    inv.timer = setTimeout(() => {
      end(inv, { timeout: true, error: { errorMessage: `Task timed out after ${inv.ms} ms` } });
      kill();
    }, inv.ms);
    res.writeHead(200, { 'content-type': 'application/json', 'Lambda-Runtime-Aws-Request-Id': inv.id,
      'Lambda-Runtime-Deadline-Ms': String(deadline(inv.ms)), 'Lambda-Runtime-Invoked-Function-Arn': 'arn:aws:lambda:us-east-1:1:function:f',
      ...(inv.trace ? { 'Lambda-Runtime-Trace-Id': inv.trace } : {}) }).end(inv.text);
    inv.given?.();
  };
  const end = (inv, result) => {
    if (f.current !== inv) return;
    clearTimeout(inv.timer);
    f.current = null;
    inv.done({ id: inv.id, ...result });
    give();
  };
  const parse = (text) => { try { return JSON.parse(text); } catch { return undefined; } };

  const routes = [
    [/^POST \/2020-01-01\/extension\/register$/, (req, res) => {
      if (!extensions) return res.writeHead(404).end();
      f.registered++;
      f.registeredAfterNext = f.events.includes('next');
      return res.writeHead(200, { 'Lambda-Extension-Identifier': 'x1' }).end('{}');
    }],
    [/^GET \/2020-01-01\/extension\/event\/next$/, (req) => { f.extensionId = req.headers['lambda-extension-identifier']; }],
    [/^GET \/2018-06-01\/runtime\/invocation\/next$/, (req, res) => {
      f.events.push('next');
      f.waiting = res;
      res.on('close', () => { if (f.waiting === res) f.waiting = null; });
      give();
    }],
    [/^POST \/2018-06-01\/runtime\/invocation\/([^/]+)\/response$/, (req, res, body, id) => {
      if (body.length > maxAnswer) return res.writeHead(413).end('{"errorMessage":"Exceeded maximum allowed payload size"}');
      res.writeHead(202).end('{"status":"OK"}');
      if (f.current?.id === id) end(f.current, { text: body.toString(), json: parse(body.toString()) });
      return undefined;
    }],
    [/^POST \/2018-06-01\/runtime\/invocation\/([^/]+)\/error$/, (req, res, body, id) => {
      res.writeHead(202).end('{"status":"OK"}');
      if (f.current?.id === id) end(f.current, { error: parse(body.toString()), type: req.headers['lambda-runtime-function-error-type'] });
    }],
    [/^POST \/2018-06-01\/runtime\/init\/error$/, (req, res, body) => {
      f.initErrors.push({ ...parse(body.toString()), type: req.headers['lambda-runtime-function-error-type'] });
      res.writeHead(202).end('{"status":"OK"}');
    }],
    // Lambda's own API, where functions invoke functions.
    [/^POST \/2015-03-31\/functions\/([^/]+)\/invocations$/, (req, res, body, name) => {
      f.invokes ??= [];
      f.invokes.push({ name: decodeURIComponent(name), event: parse(body.toString()), headers: req.headers });
      if (f.throttle > 0) {
        f.throttle--;
        return res.writeHead(429).end('{"Message":"Rate Exceeded."}');
      }
      res.writeHead(202).end();
      f.async.push(f.invoke(parse(body.toString())));
      return undefined;
    }],
  ];
  f.async = [];
  const server = http.createServer(async (req, res) => {
    const body = await read(req).catch(() => null);
    const line = `${req.method} ${req.url}`;
    f.calls.push(line);
    for (const [re, go] of routes) {
      const m = re.exec(line);
      if (m) return go(req, res, body, ...m.slice(1));
    }
    return res.writeHead(404).end();
  });
  const port = await listen(server);
  f.url = `http://127.0.0.1:${port}`;

  let proc, ended = Promise.resolve(), closing = false;
  const startEnvironment = () => {
    f.starts++;
    const own = proc = spawn(path, [...command, ...args], { argv0, cwd, stdio: ['ignore', process.env.TEST_SHOW ? 'inherit' : 'ignore', 'pipe'], env: {
      PATH: process.env.PATH, AWS_LAMBDA_RUNTIME_API: `127.0.0.1:${port}`, AWS_LAMBDA_FUNCTION_NAME: 'f',
      AWS_LAMBDA_FUNCTION_VERSION: '$LATEST', AWS_LAMBDA_FUNCTION_MEMORY_SIZE: '2048', AWS_REGION: 'us-east-1',
      AWS_ACCESS_KEY_ID: 'AKIDEXAMPLE', AWS_SECRET_ACCESS_KEY: 'secret', AWS_ENDPOINT_URL_LAMBDA: f.url,
      ...(process.env.ASAN_OPTIONS ? { ASAN_OPTIONS: process.env.ASAN_OPTIONS } : {}), ...env } });
    f.pid = own.pid;
    own.stderr.on('data', (d) => (f.log = (f.log + d).slice(-400000)));
    ended = new Promise((ok) => own.on('close', (code, signal) => {
      f.lastExit = { code, signal };
      ok(f.lastExit);
      if (closing || proc !== own) return;
      if (f.current) end(f.current, { crashed: true, error: { errorMessage: `exited: ${signal ?? code}` } });
      if (f.pending.length) startEnvironment();
    }));
    own.on('error', (e) => {
      f.log += e;
      for (const inv of f.pending.splice(0)) inv.done({ id: inv.id, crashed: true, error: { errorMessage: String(e) } });
    });
  };
  const kill = () => { proc.kill('SIGKILL'); };
  const alive = () => proc && proc.exitCode === null && proc.signalCode === null;

  f.invoke = (event, { id = randomUUID(), ms = f.limit, trace, given } = {}) => new Promise((done) => {
    f.pending.push({ id, ms, trace, given, text: typeof event === 'string' ? event : JSON.stringify(event), done, deliveries: 0 });
    if (!alive()) startEnvironment();
    else give();
  });
  /** What a queue of Lambda's own leaves to do: every event that functions sent to functions. */
  f.drain = async () => {
    const all = [];
    for (let i = 0; i < f.async.length; i++) all.push(await f.async[i]);
    return all;
  };
  f.kill = async () => { kill(); return ended; };
  f.terminate = async () => { closing = true; proc.kill('SIGTERM'); return ended; };
  f.idle = () => until('the function to wait for work', () => f.waiting);
  f.start = () => { startEnvironment(); };
  f.exit = () => ended;
  after(t, async () => {
    closing = true;
    if (alive()) { proc.kill('SIGKILL'); await ended; }
    server.closeAllConnections?.();
    server.close();
  });
  return f;
}

/* ---- reports ---------------------------------------------------------------------------------- */

const keyOf = (secret) => Buffer.from(secret.replace(/^whsec_/, ''), 'base64');
export const newSecret = () => `whsec_${Buffer.from(randomUUID()).toString('base64')}`;
export const sign = (secret, id, time, body) => `v1,${createHmac('sha256', keyOf(secret)).update(`${id}.${time}.${body}`).digest('base64')}`;

/**
 * POST /v1/results as an app server has it: secrets {task: secret}; answer(result) → more members of its answer
 * (status "recorded" unless it says otherwise). Results are collected in `results`, whatever was wrong in `faults`.
 * `mode(call)` may return an answer of its own, or null never to answer.
 */
export async function reports(t, { secrets, answer = () => ({}), mode } = {}) {
  const r = { results: [], faults: [], posts: 0, recorded: new Set() };
  const server = await httpServer(t, async (call) => {
    r.posts++;
    const own = mode ? await mode(call, r) : undefined;
    if (own !== undefined) return own;
    if (call.url !== '/v1/results') return { status: 404, body: {} };
    const h = call.headers;
    const list = JSON.parse(call.body).results ?? [JSON.parse(call.body)];
    const signatures = (h['webhook-signature'] ?? '').split(' ');
    if (Math.abs(Date.now() / 1000 - Number(h['webhook-timestamp'])) > 300) r.faults.push('time');
    const answers = list.map((x, i) => {
      const good = secrets[x.task] && sign(secrets[x.task], h['webhook-id'], h['webhook-timestamp'], call.body) === signatures[i];
      if (!good) {
        r.faults.push(`signature of ${x.task}`);
        return { task: x.task, status: 'refused' };
      }
      const key = `${x.task} ${x.status === 'fetched' || x.status === 'not_modified' ? 'fetched' : 'done'}`;
      const more = answer(x);
      const status = r.recorded.has(key) ? 'repeated' : 'recorded';
      r.recorded.add(key);
      r.results.push({ ...x, verdict: more.status ?? status });
      return { task: x.task, status, ...more };
    });
    return { status: 200, body: { results: answers } };
  });
  r.url = `${server.url}/v1/results`;
  r.seen = server.seen;
  return r;
}
