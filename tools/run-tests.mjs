// Runs every test of a build folder and counts single tests, not files: TAP is read from the unit
// tests (through meson's log) and from node's own test runner.
import { spawn, spawnSync } from 'node:child_process';
import { readFileSync, readdirSync, existsSync } from 'node:fs';
import { availableParallelism } from 'node:os';
import { join, resolve, dirname } from 'node:path';
import { fileURLToPath } from 'node:url';

const root = resolve(dirname(fileURLToPath(import.meta.url)), '..');
const [buildArg, ...patterns] = process.argv.slice(2);
if (!buildArg) {
  console.error('usage: tools/run-tests BUILD [PATTERN...]');
  process.exit(64);
}
const build = resolve(buildArg);
const wanted = (name) => patterns.length === 0 || patterns.some((p) => name.includes(p));
const total = { passed: 0, failed: 0, skipped: 0 };
const failures = [];
const REASON_LINES = 12;

// With sanitizers the first report ends the process, and what foreign libraries do is left out.
function sanitizers() {
  const r = spawnSync('meson', ['introspect', build, '--buildoptions'], { encoding: 'utf8' });
  const kinds = JSON.parse(r.stdout).find((o) => o.name === 'b_sanitize').value;
  const list = (name) => `suppressions=${join(root, 'tests', 'suppressions', name)}.supp`;
  return kinds === 'none' ? {} : {
    TEST_SANITIZE: kinds,
    ASAN_OPTIONS: 'detect_stack_use_after_return=1:strict_string_checks=1',
    LSAN_OPTIONS: `${list('lsan')}:print_suppressions=0`,
    UBSAN_OPTIONS: `halt_on_error=1:print_stacktrace=1:${list('ubsan')}`,
    TSAN_OPTIONS: `halt_on_error=1:second_deadlock_stack=1:die_after_fork=0:ignore_noninstrumented_modules=1:${list('tsan')}`,
  };
}
const testEnv = { ...process.env, ...sanitizers() };

const groups = new Set();
const killGroup = (pid) => {
  try {
    process.kill(-pid, 'SIGKILL');
  } catch {
    // it ended meanwhile
  }
};
for (const [signal, code] of [['SIGINT', 130], ['SIGTERM', 143]])
  process.on(signal, () => {
    groups.forEach(killGroup);
    process.exit(code);
  });

// node's own last word, when nothing is left to run. Rarely it then spins in its teardown for ever
// (Environment::CleanupHandles, seen with 20.20 after connections that were reset): it gets 10 s.
const SUMMARY = /^# duration_ms [\d.]+$/m;

// A group of processes of its own, so that what does not end within `limit` ms ends with all it started.
function run(cmd, args, { limit, ...opts } = {}) {
  return new Promise((done) => {
    const p = spawn(cmd, args, { cwd: root, env: testEnv, stdio: ['ignore', 'pipe', 'pipe'], detached: true, ...opts });
    let out = '';
    const timer = limit && setTimeout(() => {
      out += `\nnot ok 1 - it had not ended after ${limit / 1000} s\n`;
      killGroup(p.pid);
    }, limit);
    let leaving;
    groups.add(p.pid);
    p.stdout.on('data', (d) => {
      out += d;
      if (SUMMARY.test(out.slice(-200))) leaving ??= setTimeout(() => killGroup(p.pid), 10000);
    });
    p.stderr.on('data', (d) => (out += d));
    p.on('close', (code, signal) => {
      clearTimeout(timer);
      clearTimeout(leaving);
      groups.delete(p.pid);
      done({ code: code ?? (leaving && /^# fail 0$/m.test(out) && /^# cancelled 0$/m.test(out) ? 0 : signal), out });
    });
  });
}

// What a point that failed says of itself in the block below it (node's) or in the comments beside it (cmocka's).
function reason(lines, at) {
  const next = lines.findIndex((l, i) => i > at && /^\s*(\.\.\.$|(not )?ok \d|# Subtest)/.test(l));
  const block = lines.slice(at + 1, next < 0 ? undefined : next).filter((l) => l.trim() && !/^\s*(---|duration_ms:|type:|failureType:|code:|name:)/.test(l));
  return block.slice(0, REASON_LINES).map((l) => l.trim().slice(0, 300));
}

// Counts the plain points of one TAP text, at any depth of nesting: a point that only closes
// subtests (node prints "# Subtest" blocks) is not counted itself.
function countTap(name, text, code) {
  const stack = [];
  let points = 0;
  const t = { passed: 0, failed: 0, skipped: 0 };
  const lines = text.split('\n');
  for (const [at, line] of lines.entries()) {
    const m = /^(\s*)(not ok|ok) \d+(?: -)?(?: (.*))?$/.exec(line);
    if (!m) continue;
    const depth = m[1].length;
    let hasChildren = false;
    while (stack.length && stack[stack.length - 1] > depth) {
      hasChildren = true;
      stack.pop();
    }
    if (stack[stack.length - 1] !== depth) stack.push(depth);
    if (hasChildren && m[2] === 'ok') continue;
    points++;
    if (/# SKIP/i.test(m[3] ?? '')) t.skipped++; // cmocka says "not ok" of these
    else if (m[2] === 'ok') t.passed++;
    else {
      t.failed++;
      failures.push({ name: `${name}: ${m[3] ?? ''}`, why: reason(lines, at).join('\n      ') });
    }
  }
  // A program that died before its first point, or after good ones, has failed.
  if ((code !== 0 && t.failed === 0) || points === 0) {
    t.failed++;
    failures.push({ name: `${name}: ended with ${code} after ${points} results` });
  }
  for (const k of Object.keys(t)) total[k] += t[k];
  return t;
}

function report(name, t, seconds, out) {
  const state = t.failed ? 'FAIL' : 'ok';
  console.log(`${state.padEnd(5)} ${name.padEnd(44)} ${t.passed} passed, ${t.failed} failed` +
    `${t.skipped ? `, ${t.skipped} skipped` : ''}  (${seconds.toFixed(1)} s)`);
  if (t.failed) console.log(out.split('\n').slice(-120).join('\n'));
  else for (const l of out.split('\n')) if (/^\s*(not )?ok .*# SKIP/i.test(l)) console.log(`      ${l.trim()}`);
}

async function unitTests() {
  const list = await run('meson', ['introspect', build, '--tests']);
  const tests = JSON.parse(list.out).filter((t) => wanted(t.name));
  if (!tests.length) return;
  const names = tests.map((t) => t.name);
  await run('meson', ['test', '-C', build, '--no-rebuild', '--timeout-multiplier', '4', ...names]);
  const log = join(build, 'meson-logs', 'testlog.json');
  for (const line of readFileSync(log, 'utf8').split('\n').filter(Boolean)) {
    const r = JSON.parse(line);
    const out = `${r.stdout ?? ''}\n${r.stderr ?? ''}`;
    const tap = /^1\.\.\d+/m.test(r.stdout ?? '');
    const good = r.result === 'OK' || r.result === 'EXPECTEDFAIL';
    if (tap) {
      report(r.name, countTap(r.name, r.stdout, good || r.result === 'FAIL' ? r.returncode : r.result), r.duration, out);
    } else {
      const t = { passed: good ? 1 : 0, failed: good ? 0 : 1, skipped: 0 };
      total.passed += t.passed;
      total.failed += t.failed;
      if (!good) failures.push({ name: r.name });
      report(r.name, t, r.duration, out);
    }
  }
}

// One file of tests, with room for a busy machine.
const fileLimit = process.env.TEST_SOAK === '1' ? 0 : (testEnv.TEST_SANITIZE ? 5 : 1) * 400 * 1000;

// Root gives each file a network of its own: files that make and cut networks are not felt in the browsers
// of others (Chromium fails what it loads when an interface comes or goes), and no port is another's. Besides
// loopback there is a pair of interfaces that leads nowhere: without one browsers say that they are offline.
function alone() {
  const setUp = 'ip link set lo up && ip link add up0 type veth peer name up1 && ip addr add 192.0.2.1/24 dev up0 && ' +
    'ip link set up0 up && ip link set up1 up && exec "$@"';
  const wrap = ['unshare', '--net', 'sh', '-c', setUp, 'sh'];
  return process.getuid() === 0 && spawnSync(wrap[0], [...wrap.slice(1), 'true']).status === 0 ? wrap : [];
}

async function endToEnd() {
  const dir = join(root, 'tests', 'e2e');
  if (!existsSync(dir)) return;
  const files = readdirSync(dir).filter((f) => f.endsWith('.test.mjs') && wanted(f)).sort();
  const env = { ...testEnv, TEST_BUILD: build, TEST_BIN: join(build, 'bulb') };
  const network = alone();
  // One more than there are cores, at most three: many of these tests mostly wait, for a timer or a slow peer.
  const lane = async () => {
    for (let f; (f = files.shift());) {
      const began = Date.now();
      const [cmd, ...args] = [...network, process.execPath, '--test-reporter=tap', join(dir, f)];
      const r = await run(cmd, args, { env, limit: fileLimit });
      report(`e2e/${f}`, countTap(f, r.out, r.code), (Date.now() - began) / 1000, r.out);
    }
  };
  await Promise.all(Array.from({ length: Math.min(3, availableParallelism() + 1) }, lane));
}

await unitTests();
await endToEnd();
// A hook that failed is the reason of many: it is told once.
function* told() {
  let before;
  for (const { name, why } of failures) {
    yield name;
    const what = why?.replace(/location:.*/, '');
    if (what && what !== before) yield `    ${why}`;
    before = what;
  }
}
if (failures.length) console.log(`\nFailed:\n  ${[...told()].join('\n  ')}`);
console.log(`\n${total.passed} passed, ${total.failed} failed` +
  (total.skipped ? `, ${total.skipped} skipped` : ''));
process.exit(total.failed ? 1 : 0);
