// PostgreSQL and NATS of a test's own, and bulb in several processes that share them.
import { execFile, spawn, spawnSync } from 'node:child_process';
import { randomBytes } from 'node:crypto';
import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { createInterface } from 'node:readline';
import { promisify } from 'node:util';
import { after, bulbBin, root, start, tempDir } from './harness.mjs';

const lib = join(root, 'tests', 'lib');

/** Why there can be no such engine here, for `skip`; false when there can. */
export const missing = (...names) => names.some((n) => spawnSync('sh', ['-c', `PATH=$PATH:/usr/sbin:$(echo /usr/lib/postgresql/*/bin | tr ' ' :) command -v ${n}`]).status)
  && `${names} not installed: tools/deps test`;

/** Starts tests/lib/with-NAME; it ends with the test, or with this process. What it tells is env. */
async function engine(t, name, conf = {}) {
  const proc = spawn(join(lib, `with-${name}`), ['sh', '-c', 'env | grep ^TEST_; echo; exec cat >/dev/null'],
    { env: { ...process.env, ...conf }, stdio: ['pipe', 'pipe', 'inherit'] });
  const closed = new Promise((done) => proc.on('close', done));
  after(t, () => {
    proc.stdin.end();
    return closed;
  });
  const env = {};
  for await (const line of createInterface({ input: proc.stdout })) {
    if (!line) break;
    env[line.slice(0, line.indexOf('='))] = line.slice(line.indexOf('=') + 1);
  }
  const ctl = (...args) => new Promise((ok, fail) => {
    spawn(join(lib, `${name}-ctl`), args, { env: { ...process.env, ...env }, stdio: ['ignore', 'ignore', 'inherit'] })
      .on('close', (code) => (code === 0 ? ok() : fail(new Error(`${name}-ctl ${args}: ${code}`))));
  });
  return { env, ctl };
}

/** { url, tcp, port, bin, stop(mode), start(), restart(mode), sql(text), database(name) }; conf: lines
 * of postgresql.conf; it listens on host, too:
 * tcp leads there. database: another, empty one, as { url, tcp, sql }. */
export async function postgres(t, { host = '', conf = '' } = {}) {
  const { env, ctl } = await engine(t, 'postgres', { TEST_POSTGRES_HOST: host, TEST_POSTGRES_CONF: conf });
  const named = (name) => {
    const [url, tcp] = [env.TEST_POSTGRES, env.TEST_POSTGRES_TCP].map((u) => u.replace('/postgres', `/${name}`));
    return { url, tcp, sql: (text) => psql(join(env.TEST_POSTGRES_BIN, 'psql'), url, text) };
  };
  const first = named('postgres');
  const database = async (name) => {
    await first.sql(`CREATE DATABASE ${name}`);
    return named(name);
  };
  return { ...first, bin: env.TEST_POSTGRES_BIN, port: Number(env.TEST_POSTGRES_PORT), database,
    stop: (mode = 'fast') => ctl('stop', mode), start: () => ctl('start'), restart: (mode) => ctl('restart', mode) };
}

/** Resolves with the rows, each a list of texts. */
async function psql(program, url, text) {
  const { stdout } = await promisify(execFile)(program, ['-XqAt', '-F', '\t', '-v', 'ON_ERROR_STOP=1', '-d', url, '-c', text], { maxBuffer: 1 << 28 });
  return stdout.split('\n').filter(Boolean).map((line) => line.split('\t'));
}

/** conf: lines of nats-server's configuration. */
export async function nats(t, conf = '', host = '') {
  const { env, ctl } = await engine(t, 'nats', { TEST_NATS_CONF: conf, TEST_NATS_HOST: host });
  return { url: env.TEST_NATS, port: new URL(env.TEST_NATS).port, stop: () => ctl('stop'), start: () => ctl('start') };
}

/** What all processes of a cluster are told, and how to start them: at a place of a network, if it is given
 * one (network.mjs). */
export function cluster(t, { store, bus, blob }) {
  const dir = tempDir(t);
  writeFileSync(join(dir, 'secret'), `${randomBytes(32).toString('hex')}\n`);
  const common = ['--store', store, '--bus', bus, '--blob', blob ?? `file:${dir}/blobs`,
    '--secret-file', join(dir, 'secret'), '--log-level', 'info'];
  const begin = (args, { inside, host }, env) => {
    const [cmd, ...rest] = [...inside, bulbBin, ...args, ...common];
    return start(t, cmd, rest, { ready: /^(?:listening|health and metrics) on (http:\/\/\S+)/, env, cwd: dir });
  };
  const here = { inside: [], host: '127.0.0.1', open: [] };
  return {
    dir,
    common,
    serve: (args = [], env = {}, place = here) => begin(['serve', '--listen', `${place.host}:0`, ...place.open, '--workers', '0', ...args], place, env),
    work: (args = [], env = {}, place = here) => begin(['work', '--ops-listen', `${place.host}:0`, '--allow-address', '127.0.0.0/8', ...args], place, env),
  };
}
