// Amazon API Gateway with a Lambda proxy integration, as its client and its function see it: an HTTP API
// (payload 2.0) or a REST API (payload 1.0, all media types binary). What makes it a burden is here: the
// stage stands before every path, the Host is its own, nobody is upgraded, bodies end at 10 MB, answers
// come whole, and after so many milliseconds the client is told that it is over, while the function goes on.
import http from 'node:http';
import { randomUUID } from 'node:crypto';
import { after } from './harness.mjs';

const BODY_MAX = 10 << 20;
const EVENT_MAX = 6 << 20; // of Lambda, when somebody waits for the answer
const HOP = ['connection', 'upgrade', 'keep-alive', 'transfer-encoding', 'te', 'trailer', 'proxy-connection', 'expect'];
const isText = (type) => /^(text\/|application\/(json|.*\+json|javascript|xml|x-www-form-urlencoded))/.test(type ?? '');

const says = {
  http: { nowhere: [404, 'Not Found'], large: [413, 'Request Entity Too Large'], late: [503, 'Service Unavailable'], broken: [500, 'Internal Server Error'] },
  rest: { nowhere: [403, 'Missing Authentication Token'], large: [413, 'Request Too Long'], late: [504, 'Endpoint request timed out'], broken: [502, 'Internal server error'] },
};

/** {name: value} of what the client sent, hop by hop fields left out; many: all values in lists. */
function headersOf(req, own, many) {
  const all = {};
  for (let i = 0; i < req.rawHeaders.length; i += 2) {
    const name = many ? req.rawHeaders[i] : req.rawHeaders[i].toLowerCase();
    if (!HOP.includes(name.toLowerCase()) && name.toLowerCase() !== 'host' && (many || name !== 'cookie')) (all[name] ??= []).push(req.rawHeaders[i + 1]);
  }
  const chain = req.headers['x-forwarded-for'];
  for (const name of Object.keys(all)) if (/^x-forwarded-(for|proto|port)$/i.test(name)) delete all[name];
  Object.assign(all, { [many ? 'Host' : 'host']: [own.host], [many ? 'X-Forwarded-For' : 'x-forwarded-for']: [[chain, own.client].filter(Boolean).join(', ')],
    [many ? 'X-Forwarded-Proto' : 'x-forwarded-proto']: ['http'], [many ? 'X-Forwarded-Port' : 'x-forwarded-port']: [own.host.split(':')[1]] });
  return all;
}
const joined = (all, how) => Object.fromEntries(Object.entries(all).map(([name, values]) => [name, how(values)]));

function payload2(req, body, { stage, path, query }, own) {
  const text = isText(req.headers['content-type']);
  return { version: '2.0', routeKey: 'ANY /{proxy+}', rawPath: decodeURI(`/${stage}${path}`), rawQueryString: query,
    ...(req.headers.cookie ? { cookies: req.headers.cookie.split('; ') } : {}), headers: joined(headersOf(req, own, false), (v) => v.join(',')),
    requestContext: { apiId: 'abc', domainName: own.host, domainPrefix: 'abc', requestId: randomUUID(), routeKey: 'ANY /{proxy+}', stage,
      http: { method: req.method, path: `/${stage}${path}`, protocol: 'HTTP/1.1', sourceIp: own.client, userAgent: req.headers['user-agent'] ?? '' } },
    pathParameters: { proxy: path.slice(1) }, ...(body.length ? { body: body.toString(text ? 'utf8' : 'base64') } : {}), isBase64Encoded: body.length > 0 && !text };
}

function payload1(req, body, { stage, path, query }, own) {
  const all = headersOf(req, own, true);
  const asked = {};
  for (const [name, value] of new URLSearchParams(query)) (asked[name] ??= []).push(value);
  return { resource: path === '/' ? '/' : '/{proxy+}', path, httpMethod: req.method, headers: joined(all, (v) => v.at(-1)), multiValueHeaders: all,
    queryStringParameters: query ? joined(asked, (v) => v.at(-1)) : null, multiValueQueryStringParameters: query ? asked : null,
    pathParameters: path === '/' ? null : { proxy: path.slice(1) }, stageVariables: null,
    requestContext: { apiId: 'abc', domainName: own.host, stage, path: `/${stage}${path}`, resourcePath: '/{proxy+}', httpMethod: req.method, requestId: randomUUID(),
      protocol: 'HTTP/1.1', identity: { sourceIp: own.client, userAgent: req.headers['user-agent'] ?? null } },
    body: body.length ? body.toString('base64') : null, isBase64Encoded: body.length > 0 };
}

/** A REST API keeps some names to itself, and gives those of the function another. */
const REMAPPED = ['date', 'server', 'www-authenticate', 'connection', 'content-length'];
function fieldsOf(answer, rest) {
  const fields = { ...answer.headers, ...answer.multiValueHeaders, ...(answer.cookies ? { 'set-cookie': answer.cookies } : {}) };
  for (const name of Object.keys(fields).filter((n) => rest && REMAPPED.includes(n.toLowerCase()))) {
    fields[`x-amzn-remapped-${name.toLowerCase()}`] = fields[name];
    delete fields[name];
  }
  return fields;
}

/**
 * { url, log }: url has the stage in it; `log` tells what came: { method, path, status }. invoke(event) → what the
 * function answered, as `lambda` of lambda_api.mjs has it. rest: a REST API; ms: its limit.
 */
export async function apiGateway(t, invoke, { rest = false, stage = 'prod', ms = 29000 } = {}) {
  const g = { log: [], asked: 0 };
  const say = says[rest ? 'rest' : 'http'];

  /** Resolves with [status, header fields, body]. */
  async function answer(req, body) {
    const refuse = ([status, message]) => [status, { 'content-type': 'application/json' }, JSON.stringify({ message })];
    const [whole, query = ''] = req.url.split('?');
    if (body.length > BODY_MAX) return refuse(say.large);
    if (whole !== `/${stage}` && !whole.startsWith(`/${stage}/`)) return refuse(say.nowhere);
    const event = (rest ? payload1 : payload2)(req, body, { stage, path: whole.slice(stage.length + 1) || '/', query },
      { host: new URL(g.url).host, client: req.socket.remoteAddress });
    if (JSON.stringify(event).length > EVENT_MAX) return refuse(say.large);
    let timer;
    const late = new Promise((ok) => { timer = setTimeout(ok, ms, null); });
    const r = await Promise.race([invoke(event), late]);
    clearTimeout(timer);
    if (!r) return refuse(say.late);
    if (!Number.isInteger(r.json?.statusCode)) return refuse(say.broken);
    return [r.json.statusCode, fieldsOf(r.json, rest), Buffer.from(r.json.body ?? '', r.json.isBase64Encoded ? 'base64' : 'utf8')];
  }
  const server = http.createServer(async (req, res) => {
    const parts = [];
    for await (const part of req) parts.push(part);
    g.asked++;
    const [status, fields, body] = await answer(req, Buffer.concat(parts));
    g.log.push({ method: req.method, path: req.url, status });
    res.writeHead(status, { ...fields, 'apigw-requestid': randomUUID() }).end(req.method === 'HEAD' ? undefined : body);
  });
  await new Promise((ok) => server.listen(0, '127.0.0.1', ok));
  g.origin = `http://127.0.0.1:${server.address().port}`;
  g.url = `${g.origin}/${stage}`;
  after(t, () => { server.closeAllConnections(); server.close(); });
  return g;
}
