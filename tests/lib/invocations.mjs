// Lambda's Invoke call (2015-03-31) as a dispatcher sees it: it checks who signed a request by its own
// reckoning (Signature Version 4), takes asynchronous events, and runs a function with each, or does
// whatever Lambda does on a bad day: throttles, breaks, loses an event, delivers it twice, or late.
import { createHash, createHmac } from 'node:crypto';
import { httpServer } from './lambda_api.mjs';
import { until } from './harness.mjs';

const EVENT_MAX = 256 * 1024;
const sha = (s) => createHash('sha256').update(s).digest('hex');
const mac = (key, s) => createHmac('sha256', key).update(s).digest();
// Every byte but the unreserved ones, in upper case.
const code = (s) => [...Buffer.from(s)].map((b) => (/[A-Za-z0-9\-._~]/.test(String.fromCharCode(b)) ? String.fromCharCode(b) : `%${b.toString(16).toUpperCase().padStart(2, '0')}`)).join('');

/** What is wrong with the signature of a request; null when nothing is. */
export function signatureFault({ method, url, headers, body }, secret, service) {
  const m = /^AWS4-HMAC-SHA256 Credential=([^,]+),\s*SignedHeaders=([^,]+),\s*Signature=([0-9a-f]{64})$/.exec(headers.authorization ?? '');
  if (!m) return 'no Authorization of AWS4-HMAC-SHA256';
  const scope = m[1].split('/').slice(-4);
  const [path, query = ''] = url.split('?');
  const names = m[2].split(';');
  if (!names.includes('host') || !names.includes('x-amz-date')) return 'host or date is not signed';
  if (scope[2] !== service || scope[3] !== 'aws4_request') return `scope ${scope.join('/')}`;
  if (Math.abs(Date.parse(headers['x-amz-date'].replace(/^(\d{4})(\d\d)(\d\d)T(\d\d)(\d\d)(\d\d)Z$/, '$1-$2-$3T$4:$5:$6Z')) - Date.now()) > 300000) return 'the date is off';
  const canonical = [method, path.split('/').map(code).join('/'), query.split('&').filter(Boolean).sort().join('&'),
    ...names.map((n) => `${n}:${(headers[n] ?? '').trim()}`), '', m[2], sha(body)].join('\n');
  const key = scope.slice(0, 3).concat('aws4_request').reduce((k, part) => mac(k, part), `AWS4${secret}`);
  const text = ['AWS4-HMAC-SHA256', headers['x-amz-date'], scope.join('/'), sha(canonical)].join('\n');
  return mac(key, text).toString('hex') === m[3] ? null : 'the signature is another one';
}

/**
 * handler(event): the function; may be changed at any time. bad(n, event): what befalls the n-th request
 * (from 1): 'throttle', 'break', 'forbid', 'hang', 'lose', 'twice', a promise after which it is delivered, or nothing.
 * `running`, `most`: functions at work now, and ever. `faults`: what no request may be.
 */
export async function invocations(t, { secret, name = 'f', handler = async () => {}, bad = () => undefined } = {}) {
  const l = { events: [], refused: 0, running: 0, most: 0, faults: [], errors: [], handler, bad };
  const run = async (event) => {
    l.most = Math.max(l.most, ++l.running);
    try {
      await l.handler(event);
    } catch (e) {
      l.errors.push(e);
      await l.handler(event).catch(() => {}); // Lambda tries an asynchronous event again
    } finally {
      l.running--;
    }
  };
  let n = 0;
  const server = await httpServer(t, async (call) => {
    const fault = signatureFault(call, secret, 'lambda') ??
      (call.url !== `/2015-03-31/functions/${encodeURIComponent(name)}/invocations` ? `path ${call.url}` : null) ??
      (call.headers['x-amz-invocation-type'] !== 'Event' ? 'not asynchronous' : null);
    if (fault) l.faults.push(fault);
    if (fault) return { status: 403, body: { Message: fault } };
    if (call.body.length > EVENT_MAX) {
      l.faults.push(`${call.body.length} bytes`);
      return { status: 413, body: { Message: 'Request must be smaller than 262144 bytes' } };
    }
    const event = JSON.parse(call.body);
    const what = l.bad(++n, event);
    const refusals = { throttle: [429, 'Rate Exceeded.'], break: [500, 'An error occurred.'], forbid: [403, 'not authorized'] };
    if (refusals[what]) {
      l.refused++;
      return { status: refusals[what][0], body: { Message: refusals[what][1] } };
    }
    l.events.push(event);
    if (what === 'hang') return null;
    if (what !== 'lose') Promise.resolve(typeof what === 'object' ? what : null).then(() => run(structuredClone(event)));
    if (what === 'twice') run(structuredClone(event));
    return { status: 202, body: '' };
  });
  l.url = server.url;
  l.tasks = () => l.events.flatMap((e) => e.tasks.map((task) => ({ event: e, ...task })));
  l.idle = () => until('the functions to end', () => l.running === 0, 60000);
  return l;
}
