// A proxy in front of an S3 server that fails as buckets fail. Requests go through as they came, Host
// included, so that their signatures still hold.
//
// `faults.next(req)` is asked for each request and names what happens to it, or nothing:
//   error500   slowDown (503)   denied (403)   a document that says so; the server never sees it
//   reset      the connection is reset when the request has come whole
//   lost       the server does it, and the answer is lost with the connection
//   drip       the server's answer comes a byte a second
//   error200   200, and an error inside
//   aged       the server's answer, with every time in it years ago
// It may also give a promise of one: the request is held until then.
import http from 'node:http';
import { once } from 'node:events';

const error = (code) => `<?xml version="1.0" encoding="UTF-8"?>\n<Error><Code>${code}</Code><Message>by the test</Message></Error>`;
const answers = { error500: [500, 'InternalError'], slowDown: [503, 'SlowDown'], denied: [403, 'AccessDenied'], error200: [200, 'InternalError'] };

async function bodyOf(stream) {
  const parts = [];
  for await (const part of stream) parts.push(part);
  return Buffer.concat(parts);
}

function drip(res, body) {
  let at = 0;
  const timer = setInterval(() => {
    if (at >= body.length) res.end();
    else res.write(body.subarray(at, ++at));
  }, 1000);
  res.on('close', () => clearInterval(timer));
}

async function forward(port, req, body, agent) {
  const up = http.request({ host: '127.0.0.1', port, method: req.method, path: req.url, headers: req.headers, agent });
  up.end(body);
  const [res] = await once(up, 'response');
  return { status: res.statusCode, headers: res.headers, body: await bodyOf(res) };
}

const aged = (body) => Buffer.from(body.toString().replace(/<(LastModified|Initiated)>[^<]*/g, '<$1>2020-01-01T00:00:00.000Z'));

export async function faulty(t, port, host = '127.0.0.1') {
  const agent = new http.Agent({ keepAlive: true });
  const faults = { next: () => null, seen: [], requests: 0, connections: 0 };
  const server = http.createServer(async (req, res) => {
    try {
      faults.requests++;
      const fault = await faults.next(req);
      if (fault) faults.seen.push(`${fault} ${req.method}`);
      const body = await bodyOf(req);
      if (fault === 'reset') return req.socket.resetAndDestroy();
      if (answers[fault]) {
        const [status, code] = answers[fault];
        return res.writeHead(status, { 'content-type': 'application/xml' }).end(error(code));
      }
      const answer = await forward(port, req, body, agent);
      if (fault === 'lost') return req.socket.resetAndDestroy();
      const out = fault === 'aged' ? aged(answer.body) : answer.body;
      res.writeHead(answer.status, { ...answer.headers, ...(fault === 'aged' ? { 'content-length': out.length } : {}) });
      if (fault === 'drip') return drip(res, out);
      return res.end(out);
    } catch {
      return req.socket.destroy();
    }
  });
  server.on('connection', () => faults.connections++);
  server.keepAliveTimeout = 60000;
  server.listen(0, host);
  await once(server, 'listening');
  t.after(() => { server.closeAllConnections(); server.close(); agent.destroy(); });
  faults.port = server.address().port;
  faults.url = `http://${host}:${faults.port}`;
  return faults;
}
