// PostgreSQL and NATS of a test's own, and bulb in several processes that share them.
import { spawn, spawnSync } from 'node:child_process';
import { randomBytes } from 'node:crypto';
import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { createInterface } from 'node:readline';
import { bulbBin, root, start, tempDir } from './harness.mjs';

const lib = join(root, 'tests', 'lib');

/** Why there can be no such engine here, for `skip`; false when there can. */
export const missing = (...names) => names.some((n) => spawnSync('sh', ['-c', `PATH=$PATH:/usr/sbin:$(echo /usr/lib/postgresql/*/bin | tr ' ' :) command -v ${n}`]).status)
  && `${names} not installed: tools/deps test`;

/** Starts tests/lib/with-NAME; it ends with the test, or with this process. What it tells is env. */
async function engine(t, name, conf = {}) {
  const proc = spawn(join(lib, `with-${name}`), ['sh', '-c', 'env | grep ^TEST_; echo; exec cat >/dev/null'],
    { env: { ...process.env, ...conf }, stdio: ['pipe', 'pipe', 'inherit'] });
  const closed = new Promise((done) => proc.on('close', done));
  t.after(() => {
    proc.stdin.end();
    return closed;
  });
  const env = {};
  for await (const line of createInterface({ input: proc.stdout })) {
    if (!line) break;
    env[line.slice(0, line.indexOf('='))] = line.slice(line.indexOf('=') + 1);
  }
  const ctl = (...args) => {
    const r = spawnSync(join(lib, `${name}-ctl`), args, { env: { ...process.env, ...env }, stdio: ['ignore', 'ignore', 'inherit'] });
    if (r.status !== 0) throw new Error(`${name}-ctl ${args}: ${r.status}`);
  };
  return { env, ctl };
}

/** { url, stop(mode), start() } */
export async function postgres(t) {
  const { env, ctl } = await engine(t, 'postgres');
  return { url: env.TEST_POSTGRES, stop: (mode = 'fast') => ctl('stop', mode), start: () => ctl('start') };
}

/** conf: lines of nats-server's configuration. */
export async function nats(t, conf = '') {
  const { env, ctl } = await engine(t, 'nats', { TEST_NATS_CONF: conf });
  return { url: env.TEST_NATS, port: new URL(env.TEST_NATS).port, stop: () => ctl('stop'), start: () => ctl('start') };
}

/** What all processes of a cluster are told, and how to start them. */
export function cluster(t, { store, bus, blob }) {
  const dir = tempDir(t);
  writeFileSync(join(dir, 'secret'), `${randomBytes(32).toString('hex')}\n`);
  const common = ['--store', store, '--bus', bus, '--blob', blob ?? `file:${dir}/blobs`,
    '--secret-file', join(dir, 'secret'), '--log-level', 'info'];
  const begin = (args, ready, env) => start(t, bulbBin, [...args, ...common], { ready, env, cwd: dir });
  return {
    dir,
    common,
    serve: (args = [], env = {}) => begin(['serve', '--listen', '127.0.0.1:0', '--workers', '0', ...args], /^listening on (http:\/\/\S+)/, env),
    work: (args = [], env = {}) => begin(['work', '--ops-listen', '127.0.0.1:0', '--allow-address', '127.0.0.0/8', ...args],
      /^health and metrics on (http:\/\/\S+)/, env),
  };
}
