// The peer of the socket benchmark: the same fan-out with node's http server and the ws package.
import http from 'node:http';
import { WebSocketServer } from 'ws';

const server = http.createServer((req, res) => {
  const parts = [];
  req.on('data', (d) => parts.push(d));
  req.on('end', () => {
    const text = Buffer.concat(parts).toString();
    for (const c of wss.clients) c.send(text);
    res.end();
  });
});
const wss = new WebSocketServer({ server, path: '/feed' });
server.listen(0, '127.0.0.1', () => console.log(`listening on http://127.0.0.1:${server.address().port}`));
