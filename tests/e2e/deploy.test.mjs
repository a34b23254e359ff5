// What deploy/ holds fits the program: units, container, metrics by name. The jail of the decoders is
// tried under what the units allow, without systemd: the same system call filter, no capabilities, an
// unprivileged user, a file system that is read-only but for one folder.
import test from 'node:test';
import assert from 'node:assert/strict';
import { spawnSync } from 'node:child_process';
import { chownSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { build, bulbBin, root, run, sanitized, tempDir } from '../lib/harness.mjs';

const deploy = (name) => readFileSync(join(root, 'deploy', name), 'utf8');
const units = ['bulb.service', 'bulb-work.service'];
const values = (unit, key) => [...unit.matchAll(new RegExp(`^${key}=(.*)$`, 'gm'))].map((m) => m[1]);
const analyze = (...args) => spawnSync('systemd-analyze', args, { encoding: 'utf8' });
const noAnalyze = analyze('--version').status !== 0 && 'systemd-analyze is not here';

test('the board and the alerts name metrics and labels that there are', () => {
  const rows = [...readFileSync(join(root, 'src/base/metrics.def'), 'utf8')
    .matchAll(/^METRIC\(\w+, (\w+), "(\w+)", "([\w,]*)"/gm)];
  const known = new Map(rows.flatMap(([, type, name, labels]) => (type === 'HISTOGRAM' ?
    ['_bucket', '_sum', '_count'].map((s) => [name + s, `${labels},le`]) : [[name, labels]])));
  const board = JSON.parse(deploy('grafana.json'));
  const exprs = board.panels.flatMap((p) => p.targets.map((q) => q.expr))
    .concat([...deploy('alerts.yaml').matchAll(/^ +expr: (.*)$/gm)].map((m) => m[1]));
  assert.ok(exprs.length > 20);
  const used = new Set();
  for (const expr of exprs) {
    for (const [, name, , selector] of expr.matchAll(/\b(bulb_\w+)(\{([^}]*)\})?/g)) {
      assert.ok(known.has(name), `${name} in: ${expr}`);
      used.add(name.replace(/_(bucket|sum|count)$/, ''));
      for (const [, label] of (selector ?? '').matchAll(/(\w+)(?:=~|!~|!=|=)"/g))
        assert.ok(known.get(name).split(',').includes(label), `${name}{${label}}`);
    }
    const labels = new Set([...expr.matchAll(/\bbulb_\w+/g)].flatMap(([n]) => known.get(n).split(',')));
    for (const [, by] of expr.matchAll(/\bby \(([\w, ]+)\)/g))
      for (const label of by.split(/, */)) assert.ok(labels.has(label), `by (${label}) in: ${expr}`);
  }
  for (const [, , name] of rows) if (name !== 'bulb_build_info') assert.ok(used.has(name), `the board shows no ${name}`);
  for (const p of board.panels) {
    const over = board.panels.filter((q) => q.gridPos.x === p.gridPos.x && q.gridPos.y === p.gridPos.y);
    assert.equal(over.length, 1, `${p.title} lies on another`);
  }
});

test('the Dockerfile builds as make does, from the packages of tools/deps, and brings what the program links', () => {
  const text = deploy('Dockerfile');
  const steps = [...text.matchAll(/^RUN (.*)$/gm)].map((m) => m[1]);
  assert.deepEqual(steps.slice(0, 3).map((s) => s.split(' ').slice(0, 2).join(' ')), ['tools/deps build', 'meson setup', 'ninja -C']);
  assert.equal(steps[1], 'meson setup /build . --prefix=/usr/local -Dtests=disabled'); // the same flags as what is tested
  assert.match(text, /^FROM debian:bookworm-slim AS build$/m);
  assert.match(text, /^USER bulb$/m);
  const installed = text.slice(text.lastIndexOf('FROM ')).replaceAll('\\\n', ' ');
  const needed = [...spawnSync('readelf', ['-d', bulbBin], { encoding: 'utf8' }).stdout.matchAll(/NEEDED.*\[(.+)\]/g)].map((m) => m[1]);
  assert.ok(needed.includes('libvips.so.42'));
  for (const lib of needed.filter((l) => !/^(lib(c|m|pthread|[at]san|ubsan|gcc_s)|ld-linux)\b/.test(l))) {
    const owners = spawnSync('dpkg', ['-S', `*/${lib}`], { encoding: 'utf8' }).stdout.split('\n').map((l) => l.split(':')[0]);
    const comes = (p) => new RegExp(`\\s${p.replaceAll('.', '\\.').replaceAll('+', '\\+')}\\s`).test(installed) || p === 'libglib2.0-0'; // libvips' own
    assert.ok(owners.some((p) => p && comes(p)), `${lib} of ${owners}`);
  }
});

test('every setting that the container, the compose file and the units name is one', async () => {
  const compose = deploy('compose.yaml');
  const help = {};
  for (const c of ['serve', 'work']) help[c] = (await run([c, '--help'])).out;
  const commands = [...compose.matchAll(/command: \[(serve|work)\b(.*)\]/g)].concat([...deploy('Dockerfile').matchAll(/CMD \["(serve)"(.*)\]/g)]);
  assert.equal(commands.length, 3);
  for (const [, c, rest] of commands)
    for (const [flag] of rest.matchAll(/--[a-z-]+/g)) assert.ok(help[c].includes(flag), `${c} ${flag}`);
  for (const [, name] of compose.matchAll(/^ +BULB_(\w+):/gm)) {
    const flag = `--${name.toLowerCase().replaceAll('_', '-')}`;
    for (const c of ['serve', 'work']) assert.match(help[c], new RegExp(`${flag}(-file)?[ =]`), name);
  }
  for (const u of units) assert.match(deploy(u), /^ExecStart=\/usr\/local\/bin\/bulb (serve|work) --config /m);
});

test('the units are hardened, by systemd\'s own measure', { skip: noAnalyze }, () => {
  for (const u of units) {
    const r = analyze('security', '--offline=true', '--threshold=30', '--no-pager', join(root, 'deploy', u));
    assert.equal(r.status, 0, r.stdout.split('\n').slice(-3).join('\n'));
    const v = analyze('verify', join(root, 'deploy', u));
    assert.doesNotMatch(v.stderr, /Unknown|ignoring|Failed to parse/, v.stderr);
    const unit = deploy(u);
    for (const line of ['Type=notify', 'DynamicUser=yes', 'NoNewPrivileges=yes', 'ProtectSystem=strict']) assert.match(unit, new RegExp(`^${line}$`, 'm'));
  }
});

/** The names of systemd's groups of system calls, groups in groups as well. */
function names(list) {
  return list.split(' ').flatMap((n) => (n[0] !== '@' ? [n] :
    names(analyze('syscall-filter', n).stdout.split('\n').slice(2).map((l) => l.trim()).filter(Boolean).join(' '))));
}

test('the jail holds, and a picture is made, under what the units allow',
  { skip: noAnalyze || (process.getuid() !== 0 && 'needs root') || (sanitized && 'a sanitizer needs more system calls') }, (t) => {
    const dir = tempDir(t);
    chownSync(dir, 65534, 65534);
    for (const u of units) {
      const allowed = [...new Set(names(values(deploy(u), 'SystemCallFilter').join(' ')))].join(',');
      const script = `mount --make-rprivate / && mount --bind ${dir} ${dir} && mount -o remount,bind,ro / && cd ${dir} &&
        exec setpriv --reuid 65534 --regid 65534 --clear-groups --bounding-set -all --inh-caps -all --no-new-privs \
        ${join(build, 'tests', 'under_filter')} ${allowed} ${bulbBin} doctor --data ${dir}/data --listen 127.0.0.1:0`;
      const r = spawnSync('unshare', ['--mount', '--ipc', 'sh', '-c', script], { encoding: 'utf8' });
      assert.equal(r.status, 0, r.stdout + r.stderr);
      for (const what of ['ok +sandbox', 'ok +jail', 'seccomp: filter in force', 'no_new_privs: yes', 'network: an empty namespace'])
        assert.match(r.stdout, new RegExp(what), what);
    }
  });
