// A port of 127.0.0.1 for whoever opens it in a moment, or again after a crash: not one of those that the
// kernel gives to connections meanwhile. As a program it prints one.
import { readFileSync } from 'node:fs';
import { createServer } from 'node:net';
import { pathToFileURL } from 'node:url';

const FROM = 10240;

const isFree = (port) => new Promise((ok) => {
  const s = createServer().on('error', () => ok(false)).listen(port, '127.0.0.1', () => s.close(() => ok(true)));
});

export async function freePort() {
  const [to] = readFileSync('/proc/sys/net/ipv4/ip_local_port_range', 'utf8').split(/\s+/).map(Number);
  for (;;) {
    const port = FROM + Math.floor(Math.random() * (to - FROM));
    if (await isFree(port)) return port;
  }
}

if (import.meta.url === pathToFileURL(process.argv[1] ?? '').href) console.log(await freePort());
