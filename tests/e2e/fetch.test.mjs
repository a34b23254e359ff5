// Downloading from origins that misbehave: each case ends with its code, in bounded time and memory,
// and nothing that is not public is ever connected to.
import test from 'node:test';
import assert from 'node:assert/strict';
import { execFileSync } from 'node:child_process';
import https from 'node:https';
import { createServer } from 'node:net';
import { writeFileSync, readFileSync, statSync } from 'node:fs';
import { join } from 'node:path';
import { startOrigin } from '../lib/origin.mjs';
import { fetchAll, fetchUrl } from '../lib/fetch.mjs';
import { bypassUrls } from '../lib/bypass.mjs';
import { png } from '../lib/pictures.mjs';
import { sha256, tempDir } from '../lib/harness.mjs';

const MIB = 1 << 20;
const ALLOW = ['--allow', '127.0.0.2/32']; // the origin; the rest of loopback stays forbidden
const QUICK = ['--connect', '2000', '--total', '2000'];

async function origin(t, opts) {
  const o = await startOrigin({ host: '127.0.0.2', ...opts });
  t.after(() => o.close());
  return o;
}

/** Listens on every loopback address and counts who comes. */
async function canary(t) {
  const seen = { connections: 0 };
  const server = createServer((socket) => {
    seen.connections++;
    socket.on('error', () => {});
    socket.end('HTTP/1.1 200 OK\r\nContent-Length: 6\r\n\r\nsecret');
  });
  await new Promise((ok) => server.listen({ port: 0, host: '::', ipv6Only: false }, ok));
  t.after(() => server.close());
  seen.port = server.address().port;
  return seen;
}

test('a good origin', async (t) => {
  const dir = tempDir(t);
  writeFileSync(join(dir, 'a picture.png'), png(32, 32, 77));
  const o = await origin(t, { dir });

  await t.test('the source is byte-equal to what was sent', async () => {
    const r = await fetchUrl(`${o.url}/a%20picture.png`, ALLOW);
    assert.equal(r.code, 'ok', r.text);
    assert.equal(r.sha256, sha256(readFileSync(join(dir, 'a picture.png'))));
    assert.equal(r.bytes, statSync(join(dir, 'a picture.png')).size);
    assert.equal(r.progress, r.bytes);
    assert.equal(r.progress_total, r.bytes);
  });
  await t.test('HTML under a picture name is delivered as it is', async () => {
    const r = await fetchUrl(`${o.url}/html`, ALLOW);
    assert.equal(r.code, 'ok');
  });
  await t.test('its own User-Agent and Accept are sent, no cookie and no referrer', () => {
    const { headers } = o.seen.log[0];
    assert.match(headers['user-agent'], /^bulb\/\d.* \(\+https:/);
    assert.match(headers.accept, /^image\/\*/);
    assert.equal(headers['accept-encoding'], 'identity');
    assert.deepEqual(Object.keys(headers).sort(), ['accept', 'accept-encoding', 'host', 'user-agent']);
  });
  await t.test('one lane keeps its connection', async () => {
    o.reset();
    const all = await fetchAll(Array.from({ length: 5 }, (_, i) => `${o.url}/png?seed=${i}`), ALLOW);
    assert.equal(o.seen.connections, 1);
    assert.ok(all.every((r) => r.code === 'ok'));
    assert.equal(new Set(all.map((r) => r.sha256)).size, 5);
  });
  await t.test('a gzip answer that nobody asked for is undone', async () => {
    const r = await fetchUrl(`${o.url}/gzip?seed=5`, ALLOW);
    assert.equal(r.sha256, sha256(png(64, 48, 5)));
    assert.equal(r.progress_total, -1);
  });
  await t.test('ETag and Last-Modified make a 304', async () => {
    const first = await fetchUrl(`${o.url}/etag`, ALLOW);
    assert.equal(first.etag, '"v1"');
    const again = await fetchUrl(`${o.url}/etag`, [...ALLOW, '--etag', first.etag]);
    assert.equal(again.not_modified, true);
    const changed = await fetchUrl(`${o.url}/etag?v=2`, [...ALLOW, '--etag', first.etag]);
    assert.equal(changed.code, 'ok');
    assert.equal(changed.not_modified, false);
    const dated = await fetchUrl(`${o.url}/last-modified`, ALLOW);
    const same = await fetchUrl(`${o.url}/last-modified`, [...ALLOW, '--last-modified', dated.last_modified]);
    assert.equal(same.not_modified, true);
  });
});

test('error answers', async (t) => {
  const o = await origin(t);
  const passes = { 400: false, 401: false, 403: false, 404: false, 408: true, 410: false, 425: true, 429: true, 451: false,
    500: true, 501: false, 502: true, 503: true, 504: true, 204: false, 206: false };
  const all = await fetchAll(Object.keys(passes).map((s) => `${o.url}/status/${s}`), ALLOW);
  for (const [i, [status, may]] of Object.entries(passes).entries()) {
    await t.test(`${status} is fetch_status and ${may ? 'may' : 'will not'} pass`, () => {
      assert.equal(all[i].code, 'fetch_status');
      assert.equal(all[i].source_status, Number(status));
      assert.equal(all[i].may_pass, may);
    });
  }
  await t.test('Retry-After is told', async () => {
    const r = await fetchUrl(`${o.url}/retry-after?s=17`, ALLOW);
    assert.equal(r.retry_after_ms, 17000);
    const date = new Date(Date.now() + 60000).toUTCString();
    const d = await fetchUrl(`${o.url}/retry-after?s=${encodeURIComponent(date)}`, ALLOW);
    assert.ok(d.retry_after_ms > 50000 && d.retry_after_ms <= 60000, `${d.retry_after_ms}`);
  });
  await t.test('an origin that recovers is fetched', async () => {
    const all3 = await fetchAll(Array(3).fill(`${o.url}/flaky?fail=2`), ALLOW);
    assert.deepEqual(all3.map((r) => r.code), ['fetch_status', 'fetch_status', 'ok']);
  });
});

test('origins that misbehave', async (t) => {
  const o = await origin(t);
  const low = ['--low-speed', '1000/1000'];
  const cases = [
    ['a head that drips', '/slow-header?ms=20', 'fetch_timeout', QUICK],
    ['a head that drips, by low speed', '/slow-header?ms=20', 'fetch_timeout', low],
    ['a body that drips', '/slow-body?ms=20', 'fetch_timeout', QUICK],
    ['a body that drips, by low speed', '/slow-body?ms=20', 'fetch_timeout', low],
    ['silence', '/hang', 'fetch_timeout', QUICK],
    ['silence after the head', '/hang-body', 'fetch_timeout', QUICK],
    ['an endless body', '/endless', 'fetch_too_large', ['--max', MIB]],
    ['an endless body with a length', '/endless?length=1', 'fetch_too_large', ['--max', MIB]],
    ['a gzip bomb', '/gzip-bomb', 'fetch_too_large', ['--max', MIB]],
    ['a body shorter than declared', '/wrong-length?short', 'fetch_connect'],
    ['a reset in mid-body', '/reset', 'fetch_connect'],
    ['a connection closed without a word', '/close', 'fetch_connect'],
    ['an empty body', '/empty', 'fetch_not_image'],
    ['a thousand header fields', '/many-headers', 'fetch_too_large'],
    ['something that is no HTTP', '/no-http', 'fetch_connect'],
    ['a redirect loop', '/redirect-loop', 'fetch_redirect'],
    ['six redirects', '/redirect-chain?n=6', 'fetch_redirect'],
    ['a redirect to nowhere', '/redirect?to=', 'fetch_redirect'],
    ['a redirect to a file', '/redirect?to=file:///etc/passwd', 'fetch_redirect'],
    ['a redirect with a user name', '/redirect?to=http://u:p@127.0.0.2/', 'fetch_redirect'],
  ];
  for (const [name, path, code, args = []] of cases) {
    await t.test(`${name} is ${code}`, async () => {
      const r = await fetchUrl(`${o.url}${path}`, [...ALLOW, ...args.map(String)]);
      assert.equal(r.code, code, r.text);
      assert.ok(r.ms < 5000, `${r.ms} ms`);
      assert.ok(r.rss_kb < 64 * 1024, `${r.rss_kb} KiB`);
      if (args.includes('--max')) assert.ok(r.progress <= MIB, `${r.progress} bytes kept`);
    });
  }
  await t.test('a body longer than declared is cut at what was declared', async () => {
    const r = await fetchUrl(`${o.url}/wrong-length?long`, ALLOW);
    assert.equal(r.code, 'ok');
    assert.equal(r.bytes, png(64, 48, 1).length - 10);
  });
  await t.test('five redirects are followed', async () => {
    const r = await fetchUrl(`${o.url}/redirect-chain?n=5`, ALLOW);
    assert.equal(r.code, 'ok');
    assert.equal(r.final_url, `${o.url}/redirect-chain`);
  });
  for (const status of [301, 302, 303, 307, 308]) {
    await t.test(`${status} is followed`, async () => {
      const r = await fetchUrl(`${o.url}/redirect?status=${status}&to=/png?seed=4`, ALLOW);
      assert.equal(r.code, 'ok');
    });
  }
  await t.test('all redirects share one deadline', async () => {
    const far = encodeURIComponent('/redirect-chain?n=3&delay=1500');
    const r = await fetchUrl(`${o.url}/redirect?delay=1500&to=${far}`, [...ALLOW, ...QUICK]);
    assert.equal(r.code, 'fetch_timeout');
    assert.ok(r.ms < 3000, `${r.ms} ms`);
  });
  await t.test('a cancel ends a hanging download', async () => {
    const r = await fetchUrl(`${o.url}/hang`, [...ALLOW, '--cancel', '100']);
    assert.equal(r.code, 'canceled');
    assert.ok(r.ms < 3000, `${r.ms} ms`);
  });
  await t.test('nobody listening is fetch_connect, a name that is none fetch_dns', async () => {
    assert.equal((await fetchUrl('http://127.0.0.2:1/', ALLOW)).code, 'fetch_connect');
    assert.equal((await fetchUrl('http://no-such-host.invalid/')).code, 'fetch_dns');
  });
  await t.test('a server without TLS is fetch_tls on https', async () => {
    const r = await fetchUrl(o.url.replace('http:', 'https:'), ALLOW);
    assert.equal(r.code, 'fetch_tls', r.text);
  });
});

test('TLS', async (t) => {
  const dir = tempDir(t);
  const [key, cert] = [join(dir, 'key.pem'), join(dir, 'cert.pem')];
  execFileSync('openssl', ['req', '-x509', '-newkey', 'ec', '-pkeyopt', 'ec_paramgen_curve:prime256v1', '-nodes',
    '-subj', '/CN=127.0.0.2', '-keyout', key, '-out', cert], { stdio: 'ignore' });
  const listen = async (server) => {
    server.on('connection', (s) => s.on('error', () => {}));
    await new Promise((ok) => server.listen(0, '127.0.0.2', ok));
    t.after(() => server.close());
    return `https://127.0.0.2:${server.address().port}/`;
  };
  await t.test('a certificate that nobody vouches for is fetch_tls, and no request is sent', async () => {
    let requests = 0;
    const server = https.createServer({ key: readFileSync(key), cert: readFileSync(cert) }, (req, res) => {
      requests++;
      res.end('x');
    });
    const r = await fetchUrl(await listen(server), ALLOW);
    assert.equal(r.code, 'fetch_tls', r.text);
    assert.equal(r.may_pass, false);
    assert.equal(requests, 0);
  });
  await t.test('a handshake that hangs ends at the connect deadline', async () => {
    const sockets = [];
    const url = await listen(createServer((s) => sockets.push(s)));
    const r = await fetchUrl(url, [...ALLOW, '--connect', '500']);
    sockets.forEach((s) => s.destroy());
    assert.equal(r.code, 'fetch_timeout', r.text);
    assert.ok(r.ms < 2000, `${r.ms} ms`);
  });
  await t.test('a peer that hangs up in the handshake may pass', async () => {
    const r = await fetchUrl(await listen(createServer((s) => s.once('data', () => s.resetAndDestroy()))), ALLOW);
    assert.equal(r.code, 'fetch_connect', r.text);
    assert.equal(r.may_pass, true);
  });
});

test("the caller's headers stay at his origin", async (t) => {
  const [o, other] = [await origin(t), await origin(t)];
  const own = [...ALLOW, '--header', 'Authorization: Bearer x', '--header', 'X-Own: 1'];
  await t.test('they follow a redirect within it', async () => {
    await fetchUrl(`${o.url}/redirect?to=/png?seed=1`, own);
    assert.equal(o.seen.log.at(-1).headers.authorization, 'Bearer x');
  });
  await t.test('they are dropped on another, also on the way back', async () => {
    const back = encodeURIComponent(`${o.url}/png?seed=2`);
    const r = await fetchUrl(`${o.url}/redirect?to=${encodeURIComponent(`${other.url}/redirect?to=${back}`)}`, own);
    assert.equal(r.code, 'ok');
    for (const { headers } of [other.seen.log.at(-1), o.seen.log.at(-1)]) {
      assert.equal(headers.authorization, undefined);
      assert.equal(headers['x-own'], undefined);
    }
  });
});

test('--allow-source narrows, at each redirect too', async (t) => {
  const [o, other] = [await origin(t), await origin(t)];
  const only = [...ALLOW, '--source', `${o.url}/png`];
  assert.equal((await fetchUrl(`${o.url}/png?seed=1`, only)).code, 'ok');
  assert.equal((await fetchUrl(`${o.url}/etag`, only)).code, 'fetch_blocked_address');
  assert.equal((await fetchUrl(`${other.url}/png`, only)).code, 'fetch_blocked_address');
  const r = await fetchUrl(`${o.url}/redirect?to=${other.url}/png`, [...ALLOW, '--source', `${o.url}/`]);
  assert.equal(r.code, 'fetch_blocked_address');
  assert.equal(other.seen.requests, 0);
});

// What must not be connected may end in these ways only; fetch_connect or fetch_timeout would mean
// that a connection was tried.
const REFUSED = new Set(['fetch_blocked_address', 'request_invalid', 'fetch_redirect', 'fetch_dns']);

test('addresses that are not public are never connected', { timeout: 120000 }, async (t) => {
  const bait = await canary(t);
  const o = await origin(t);
  const urls = bypassUrls(bait.port);
  await t.test(`the list has ${urls.length} spellings, 461 or more`, () => assert.ok(urls.length >= 461));

  const direct = await fetchAll(urls, QUICK);
  await t.test('none directly', () => {
    assert.equal(direct.length, urls.length);
    assert.deepEqual(direct.filter((r) => !REFUSED.has(r.code)).map((r) => [r.url, r.code, r.text]), []);
    assert.equal(bait.connections, 0);
  });

  const byRedirect = await fetchAll(urls.map((u) => `${o.url}/redirect?to=${encodeURIComponent(u)}`),
    [...ALLOW, ...QUICK]);
  await t.test('none by a redirect', () => {
    // A target without scheme is a path of the origin, which may answer 404.
    const bad = byRedirect.filter((r) => !REFUSED.has(r.code) && r.source_status !== 404);
    assert.deepEqual(bad.map((r) => [r.url, r.code, r.text]), []);
    assert.equal(bait.connections, 0);
  });
  await t.test('an environment with proxies changes nothing', async () => {
    const proxy = `http://127.0.0.1:${bait.port}`;
    const env = { http_proxy: proxy, https_proxy: proxy, all_proxy: proxy, ALL_PROXY: proxy };
    const r = await fetchUrl(`${o.url}/png`, ALLOW, { env });
    assert.equal(r.code, 'ok');
    assert.equal(bait.connections, 0);
  });
  await t.test('the canary sings when it is allowed', async () => {
    await fetchUrl(`http://127.0.0.1:${bait.port}/`, ['--allow', '127.0.0.1/32']);
    assert.equal(bait.connections, 1);
  });
});
