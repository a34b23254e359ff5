// A real S3 server that is strict about signatures: OpenStack Swift with its s3api middleware, from
// Debian's packages, alone on this machine: one replica on one folder, everything on free ports of
// loopback, in a folder that goes away with the test, its processes ended by their ids.
//
// The servers run as whoever runs the tests; root gives them Swift's own account, for Swift wants
// one. Nothing is installed, and no service of the system is touched.
import { spawnSync } from 'node:child_process';
import { after as afterAll, before } from 'node:test';
import { existsSync, mkdirSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { userInfo } from 'node:os';
import { after, freePort, listens, start, tempDir, until } from './harness.mjs';
import { createConnection } from 'node:net';

export const keys = { AWS_ACCESS_KEY_ID: 'test:tester', AWS_SECRET_ACCESS_KEY: 'testing', AWS_REGION: 'us-east-1' };

/** Why there can be no Swift here, for `skip`; false when there can. */
export const missing = ['swift-proxy-server', 'swift-ring-builder', 'memcached']
  .some((name) => !existsSync(`/usr/bin/${name}`)) && 'Swift is not installed: tools/deps test';

function ring(etc, name, port) {
  const builder = (...args) => {
    const r = spawnSync('swift-ring-builder', [`${name}.builder`, ...args], { cwd: etc, encoding: 'utf8' });
    if (r.status > 1 || r.error) throw new Error(`swift-ring-builder ${args}: ${r.stdout}${r.stderr}`);
  };
  builder('create', '4', '1', '1');
  builder('add', `r1z1-127.0.0.1:${port}/disk`, '1');
  builder('rebalance');
}

const common = (dir, user, port) => `[DEFAULT]
devices = ${dir}/devices
mount_check = false
bind_ip = 127.0.0.1
bind_port = ${port}
workers = 1
user = ${user}
swift_dir = ${dir}/etc
log_level = ERROR
`;

const storage = { account: '', container: '[container-sharder]\n', object: '[object-updater]\n' };

const proxy = (cache) => `[pipeline:main]
pipeline = catch_errors cache listing_formats s3api tempauth bulk slo proxy-server
[app:proxy-server]
use = egg:swift#proxy
account_autocreate = true
allow_account_management = true
[filter:s3api]
use = egg:swift#s3api
s3_acl = false
location = us-east-1
min_segment_size = 5242880
force_swift_request_proxy_log = false
[filter:tempauth]
use = egg:swift#tempauth
user_test_tester = testing .admin
[filter:cache]
use = egg:swift#memcache
memcache_servers = 127.0.0.1:${cache}
[filter:catch_errors]
use = egg:swift#catch_errors
[filter:listing_formats]
use = egg:swift#listing_formats
[filter:bulk]
use = egg:swift#bulk
[filter:slo]
use = egg:swift#slo
`;

const takes = (port) => new Promise((done) => {
  const s = createConnection(port, '127.0.0.1', () => { s.destroy(); done(true); });
  s.on('error', () => done(false));
});

/** Starts it all; { url, env, stop }. env is what the AWS tools' environment has to say. */
export async function swift(t) {
  const dir = tempDir(t);
  const etc = join(dir, 'etc');
  const root = userInfo().uid === 0;
  const user = root ? 'swift' : userInfo().username;
  const ports = {};
  for (const name of ['account', 'container', 'object', 'proxy', 'cache']) ports[name] = await freePort();
  mkdirSync(etc);
  mkdirSync(join(dir, 'devices', 'disk'), { recursive: true });
  writeFileSync(join(etc, 'swift.conf'), `[swift-hash]
swift_hash_path_suffix = ${process.pid}
swift_hash_path_prefix = test
[storage-policy:0]
name = only
default = yes
`);
  for (const [name, more] of Object.entries(storage)) {
    ring(etc, name, ports[name]);
    writeFileSync(join(etc, `${name}.conf`), `${common(dir, user, ports[name])}[pipeline:main]
pipeline = ${name}-server
[app:${name}-server]
use = egg:swift#${name}
${more}`);
  }
  writeFileSync(join(etc, 'proxy.conf'), common(dir, user, ports.proxy) + proxy(ports.cache));
  if (root) spawnSync('chown', ['-R', `${user}:`, dir]);
  const env = { SWIFT_DIR: etc };
  const processes = [await start(t, 'memcached', ['-u', root ? 'nobody' : user, '-l', '127.0.0.1', '-p', `${ports.cache}`])];
  for (const name of ['account', 'container', 'object', 'proxy'])
    processes.push(await start(t, `swift-${name}-server`, [join(etc, `${name}.conf`)], { env }));
  // Each server leads a group of its own, in which its worker outlives it and holds its pipes: before them.
  after(t, () => processes.slice(1).forEach(({ pid }) => { try { process.kill(-pid, 'SIGKILL'); } catch { /* it has ended */ } }));
  await Promise.all(Object.entries(ports).map(([name, port]) => until(`swift's ${name} to listen`, async () => {
    const ended = processes.find((p) => p.ended);
    if (ended) throw new Error(`a part of swift ended: ${ended.err}`);
    return name === 'cache' ? takes(port) : listens(port);
  }, 60000)));
  const url = `http://127.0.0.1:${ports.proxy}`;
  return {
    url, port: ports.proxy, processes,
    env: { ...keys, AWS_ENDPOINT_URL_S3: url },
    stop: () => Promise.all(processes.map((p) => p.stop())),
  };
}

/** One server for all tests of a file: called at its top, what swift() gives is in the answer from the first test on.
 *  ms: how long it may take to start. */
export function swiftOfFile(ms = 120000) {
  const it = {}, hooks = [];
  before(async () => {
    if (!missing) Object.assign(it, await swift({ after: (f) => hooks.push(f) }));
  }, { timeout: ms });
  afterAll(async () => {
    for (const f of hooks.reverse()) await f();
  });
  return it;
}
