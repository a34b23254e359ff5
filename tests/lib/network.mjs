// A network of this machine's own: namespaces, each with an address, on one bridge whose other end is
// ours. What runs in a namespace reaches engines that listen on the bridge's address, and is reached from
// there; packets between the two can be dropped, either way or both, by the port of the engine. Nobody is
// told: who sends hears nothing, as when a cable is pulled. Root only.
import { execFileSync } from 'node:child_process';
import { readdirSync } from 'node:fs';
import { after } from './harness.mjs';

/** Why there can be no network here, for `skip`; false when there can. */
export const missing = process.getuid() !== 0 && 'needs root for network namespaces';

const run = (cmd, args, input) => execFileSync(cmd, args, { input, stdio: [input ? 'pipe' : 'ignore', 'pipe', 'pipe'], encoding: 'utf8' });
const ip = (...args) => run('ip', args);
const within = (ns) => ['nsenter', `--net=/run/netns/${ns}`];
const nft = (ns, text) => run(ns ? 'nsenter' : 'nft', [...(ns ? [...within(ns).slice(1), 'nft'] : []), '-f', '-'], text);

const tryTo = (fn) => {
  try {
    fn();
  } catch {
    // there is none
  }
};

function namespaces() {
  let all = [];
  tryTo(() => (all = readdirSync('/run/netns')));
  return all;
}

/** bulbPID is the bridge, bulbPID-NAME a namespace, inet bulbPID our table. */
function remove(pid) {
  tryTo(() => ip('link', 'del', `bulb${pid}`));
  tryTo(() => nft('', `delete table inet bulb${pid}\n`));
  for (const ns of namespaces().filter((n) => n.startsWith(`bulb${pid}-`))) tryTo(() => ip('netns', 'del', ns));
}

/** What tests left that were killed. */
function sweep() {
  for (const pid of new Set(namespaces().map((ns) => /^bulb(\d+)-/.exec(ns)?.[1]).filter(Boolean))) {
    try {
      process.kill(Number(pid), 0);
    } catch {
      remove(pid);
    }
  }
}

/**
 * { host, place(name), cut(name, port, how), heal(name, port) } of a network with these names.
 * host: our address. place: what cluster() wants to know. how: 'full', 'to' or 'from' the port.
 */
export function network(t, names) {
  const me = `bulb${process.pid}`;
  const net = `10.${64 + ((process.pid >> 8) & 63)}.${process.pid & 255}`; // two tests at a time do not meet
  const host = `${net}.1`;
  sweep();
  remove(process.pid);
  after(t, () => remove(process.pid));
  ip('link', 'add', me, 'type', 'bridge');
  ip('addr', 'add', `${host}/24`, 'dev', me);
  ip('link', 'set', me, 'up');
  const chain = 'chain in { type filter hook input priority 0; }';
  nft('', `table inet ${me} {\n${chain}\n}\n`);
  const address = (name) => `${net}.${10 + names.indexOf(name)}`;
  names.forEach((name, i) => {
    const ns = `${me}-${name}`;
    ip('netns', 'add', ns);
    ip('link', 'add', `v${i}b${process.pid}`, 'type', 'veth', 'peer', 'name', 'eth0', 'netns', ns);
    ip('link', 'set', `v${i}b${process.pid}`, 'master', me, 'up');
    ip('-n', ns, 'addr', 'add', `${address(name)}/24`, 'dev', 'eth0');
    for (const dev of ['lo', 'eth0']) ip('-n', ns, 'link', 'set', dev, 'up');
    nft(ns, `table inet ${me} {\n${chain}\n}\n`);
  });
  return {
    host,
    place: (name) => ({ inside: within(`${me}-${name}`), host: address(name), open: ['--open'] }),
    cut(name, port, how = 'full') {
      if (how !== 'from') nft('', `add rule inet ${me} in ip saddr ${address(name)} tcp dport ${port} drop\n`);
      if (how !== 'to') nft(`${me}-${name}`, `add rule inet ${me} in ip saddr ${host} tcp sport ${port} drop\n`);
    },
    heal(name) {
      nft('', `flush chain inet ${me} in\n`);
      nft(`${me}-${name}`, `flush chain inet ${me} in\n`);
    },
  };
}
