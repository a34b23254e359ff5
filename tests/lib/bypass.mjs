// Spellings of addresses that a downloader must not connect to, made by rule from a few addresses:
// every notation that some URL parser, resolver or HTTP library has been known to accept.

const v4 = ['127.0.0.1', '0.0.0.0', '10.0.0.1', '169.254.169.254', '192.168.0.1', '172.16.0.1', '100.100.100.200',
  '192.0.0.192'];
const v6 = ['::1', '::', 'fe80::1', 'fc00::1', 'fd00:ec2::254', 'fec0::1', 'ff02::1', '2001:db8::1', '2001::1', '100::1',
  '64:ff9b:1::1', '5f00::1'];

const hex = (n, w = 2) => n.toString(16).padStart(w, '0');
const oct = (n, w = 1) => `0${n.toString(8).padStart(w, '0')}`;
const wide = (s, zero) => [...s].map((c) => (/\d/.test(c) ? String.fromCodePoint(zero + Number(c)) : c)).join('');

function spellings(ip) {
  const q = ip.split('.').map(Number);
  const n = q.reduce((sum, b) => sum * 256 + b, 0);
  const [h1, h2] = [hex(q[0]) + hex(q[1]), hex(q[2]) + hex(q[3])];
  return [
    ip, `${ip}.`, `${ip}..`,
    // one number, two, three: in every base
    `${n}`, `0x${n.toString(16)}`, `0X${n.toString(16).toUpperCase()}`, `0${n.toString(8)}`, `00${n.toString(8)}`,
    `0x0000000${hex(n, 8)}`, `${n + 2 ** 32}`, `0x1${hex(n, 8)}`,
    `${q[0]}.${n % 2 ** 24}`, `${q[0]}.${q[1]}.${n % 2 ** 16}`, `0x${hex(q[0])}.${n % 2 ** 24}`,
    `${oct(q[0])}.${n % 2 ** 24}`,
    // four numbers: hex, octal, padded, mixed, overflowing
    q.map((b) => `0x${hex(b)}`).join('.'), q.map((b) => oct(b)).join('.'), q.map((b) => oct(b, 4)).join('.'),
    q.map((b) => String(b).padStart(3, '0')).join('.'), q.map((b) => String(b).padStart(4, '0')).join('.'),
    `0x${hex(q[0])}.${oct(q[1])}.${q[2]}.${q[3]}`, `${q[0]}.${q[1]}.0x${hex(q[2])}.${oct(q[3])}`,
    q.map((b) => b + 256).join('.'), `${q[0] + 256}.${q[1]}.${q[2]}.${q[3]}`,
    // other digits, dots and encodings
    wide(ip, 0xff10), wide(ip, 0x0660), wide(ip, 0x1d7ce), ip.replaceAll('.', '\u3002'), ip.replaceAll('.', '\uff0e'),
    ip.replaceAll('.', '\uff61'), ip.replaceAll('1', '\u2460'), ip.replaceAll('.', '%2e'),
    [...ip].map((c) => `%${hex(c.charCodeAt(0))}`).join(''), `${ip}%00`, `${ip}%00.example.invalid`, `${ip}%20`, `${ip}%2f`,
    ip.replaceAll('.', '\u00ad.'), `\u200b${ip}`, `${ip}\u0000`, `${ip}\t`,
    // inside IPv6
    `[::ffff:${ip}]`, `[::ffff:${h1}:${h2}]`, `[0:0:0:0:0:ffff:${ip}]`, `[::FFFF:${ip}]`, `[::${ip}]`, `[::${h1}:${h2}]`,
    `[::ffff:0:${ip}]`, `[64:ff9b::${ip}]`, `[64:ff9b::${h1}:${h2}]`, `[2002:${h1}:${h2}::1]`, `[2002:${h1}:${h2}::]`,
    `[fe80::5efe:${ip}]`, `[2a00:1450::5efe:${ip}]`, `[2001:0:${h1}:${h2}::1]`, `[::ffff:${ip}%25lo]`, `[::ffff:${ip}%lo]`,
    `[${ip}]`, `[::ffff:0x${hex(q[0])}.${q[1]}.${q[2]}.${q[3]}]`,
    // where the host seems to be another one
    `example.invalid@${ip}`, `example.invalid:80@${ip}`, `example.invalid%40${ip}`, `8.8.8.8@${ip}`, `${ip}@${ip}`,
  ];
}
function spellings6(ip) {
  return [`[${ip}]`, `[${ip.toUpperCase()}]`, `[${ip}%25lo]`, `[${ip}%lo]`, `[${ip}%251]`, `example.invalid@[${ip}]`, ip,
    `[${ip}`, `[v1.${ip}]`];
}

/** Every URL of the list, for this port. */
export function bypassUrls(port) {
  const urls = [];
  for (const ip of v4) for (const host of spellings(ip)) urls.push(`http://${host}:${port}/`);
  for (const ip of v6) for (const host of spellings6(ip)) urls.push(`http://${host}:${port}/`);
  for (const name of ['localhost', 'LOCALHOST', 'LocalHost', 'localhost.', 'localhost.localdomain', 'ip6-localhost',
    'ip6-loopback', 'a.localhost', 'loopback', '\u24c1ocalhost', 'local\u00adhost', 'localhost%00', 'localhost%2e'])
    urls.push(`http://${name}:${port}/`);
  const at = `127.0.0.1:${port}`;
  urls.push(
    `http://${at}#@example.invalid/`, `http://${at}?@example.invalid/`, `http://${at}\\@example.invalid/`, `http://example.invalid\\@${at}/`,
    `http://example.invalid#@${at}/`, `http:\\\\${at}/`, `http:/${at}/`, `http:${at}/`, `http:///${at}/`, `//${at}/`, `${at}/`,
    `http:// ${at}/`, ` http://${at}/`, `http://${at} /`, `http://${at}\t/`, `http://127.0.0.1 example.invalid:${port}/`,
    `http://127.0.0.1\rexample.invalid:${port}/`, `ht\ttp://${at}/`, `http://127.0.\t0.1:${port}/`, `http://127.0.0.1:${port}:80/`,
    `http://127.0.0.1:0${port}/`, `http://127.0.0.1:+${port}/`, `http://127.0.0.1:${port + 65536}/`, `http://[::1]:${port}:80/`,
    `http://[::1]${port}/`, `http://[::1].example.invalid:${port}/`, `http://user:pass@${at}/`, `http://@${at}/`, `http://:@${at}/`,
    `http://example.invalid:pass@word@${at}/`, `HTTP://${at}/`, `hTtP://${at}/`, `https://${at}/`, `url:http://${at}/`,
    `view-source:http://${at}/`, `jar:http://${at}!/`, `feed:http://${at}/`, `blob:http://${at}/`,
  );
  for (const scheme of ['file', 'ftp', 'ftps', 'gopher', 'dict', 'ldap', 'ldaps', 'tftp', 'telnet', 'smtp', 'imap', 'pop3',
    'rtsp', 'scp', 'sftp', 'smb', 'mqtt', 'ws', 'wss', 'unix', 'data', 'javascript', 'netdoc', 'phar'])
    urls.push(`${scheme}://${at}/`, `${scheme}:${at}`);
  urls.push('file:///etc/passwd', 'file://localhost/etc/passwd', 'FILE:///etc/passwd', 'file:/etc/passwd',
    'file:///proc/self/environ', 'file://127.0.0.1/etc/passwd', 'data:image/png;base64,AAAA');
  // One line each, as fetch_once reads them; what holds a line end or NUL is left to the unit tests.
  return [...new Set(urls)].filter((u) => !/[\n\0]/.test(u));
}
