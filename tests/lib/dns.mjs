// A name server for tests, over UDP: answers A and AAAA from a table given as JSON, one answer after
// the other, the last for ever.
//
//   node dns.mjs ADDRESS PORT '{"rebind.test": [["93.184.216.34"], ["127.0.0.1"]]}'
//
// Each name has a list of answers, each answer a list of addresses; null stays silent. An A and an
// AAAA question of one look-up count as one: AAAA gets the answer that A got or will get next.
// Prints "listening on ADDRESS:PORT", then each question it saw.
import { createSocket } from 'node:dgram';
import { isIPv6 } from 'node:net';

const [address, port, table] = process.argv.slice(2);
const names = JSON.parse(table);
const asked = {}; // name → { 1: n, 28: n }

function question(q) {
  const labels = [];
  let at = 12;
  for (; q[at] !== 0; at += q[at] + 1) labels.push(q.toString('latin1', at + 1, at + 1 + q[at]));
  return { name: labels.join('.').toLowerCase(), type: q.readUInt16BE(at + 1), end: at + 5 };
}
function ipv6Bytes(text) {
  const [head, tail = ''] = text.split('::');
  const groups = (s) => (s ? s.split(':').map((g) => parseInt(g, 16)) : []);
  const [a, b] = [groups(head), groups(tail)];
  const all = text.includes('::') ? [...a, ...Array(8 - a.length - b.length).fill(0), ...b] : a;
  return Buffer.from(all.flatMap((g) => [g >> 8, g & 255]));
}
function record(ip) {
  const data = isIPv6(ip) ? ipv6Bytes(ip) : Buffer.from(ip.split('.').map(Number));
  const head = Buffer.alloc(12); // pointer to the name, type, class IN, TTL 0, length
  head.writeUInt16BE(0xc00c, 0);
  head.writeUInt16BE(isIPv6(ip) ? 28 : 1, 2);
  head.writeUInt16BE(1, 4);
  head.writeUInt16BE(data.length, 10);
  return Buffer.concat([head, data]);
}

const socket = createSocket('udp4');
socket.on('message', (q, from) => {
  const { name, type, end } = question(q);
  console.log(`question ${name} ${type}`);
  const answers = names[name];
  if (answers === null) return;
  const n = asked[name] ??= {};
  n[type] = (n[type] ?? 0) + 1;
  const addresses = answers ? answers[Math.min(n[type], answers.length) - 1] : [];
  const records = addresses.filter((ip) => isIPv6(ip) === (type === 28) && (type === 1 || type === 28)).map(record);
  const out = Buffer.concat([q.subarray(0, end), ...records]);
  out.writeUInt16BE(answers ? 0x8580 : 0x8583, 2); // authoritative; no such name
  out.writeUInt16BE(1, 4);
  out.writeUInt16BE(records.length, 6);
  out.writeUInt32BE(0, 8);
  socket.send(out, from.port, from.address);
});
socket.bind(Number(port), address, () => console.log(`listening on ${address}:${port}`));
