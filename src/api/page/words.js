// SPDX-License-Identifier: MIT
//
// Figures and names as people read them, lists of URLs as people write them, and pictures as HTML has them.

export function bytes(n) {
  if (!(n >= 0)) return '';
  if (n >= 1 << 20) return `${(n / (1 << 20)).toFixed(n >= 10 << 20 ? 0 : 1)} MB`;
  return n >= 1024 ? `${Math.round(n / 1024)} KB` : `${n} B`;
}

export const ms = (n) => (n >= 10000 ? `${Math.round(n / 1000)} s` : n >= 1000 ? `${(n / 1000).toFixed(1)} s` : `${n} ms`);

export const plural = (n, one, many = `${one}s`) => `${n.toLocaleString('en')} ${n === 1 ? one : many}`;

export function nameOf(url) {
  const last = url.replace(/[?#].*/, '').replace(/\/+$/, '').replace(/.*\//, '');
  try {
    return decodeURIComponent(last) || url;
  } catch {
    return last || url;
  }
}

export function since(time, now = Date.now()) {
  const s = Math.max(0, Math.round((now - Date.parse(time)) / 1000));
  if (s < 60) return 'just now';
  if (s < 3600) return `${Math.floor(s / 60)} min ago`;
  if (s < 86400) return `${Math.floor(s / 3600)} h ago`;
  return new Date(time).toLocaleDateString();
}

/* ---- lists ------------------------------------------------------------------------------------------ */

/* RFC 4180: cells in quotes may hold the separator, quotes in pairs, and line ends. */
function cells(text, separator) {
  const rows = [[]];
  let cell = '', quoted = false;
  const end = () => {
    rows.at(-1).push(cell);
    cell = '';
  };
  for (let i = 0; i < text.length; i++) {
    const c = text[i];
    if (quoted && c === '"' && text[i + 1] === '"') cell += text[++i];
    else if (c === '"' && (quoted || cell === '')) quoted = !quoted;
    else if (!quoted && c === separator) end();
    else if (!quoted && (c === '\n' || c === '\r')) {
      if (c === '\r' && text[i + 1] === '\n') i++;
      end();
      rows.push([]);
    } else cell += c;
  }
  end();
  return rows.filter((r) => r.some((x) => x.trim()));
}

const isUrl = (text) => /^https?:\/\//i.test(text.trim());

/* The column that holds URLs: the one named so, else the first that has one. */
function table(rows) {
  const head = rows[0].map((c) => c.trim().toLowerCase());
  const named = !rows[0].some(isUrl);
  const url = head.includes('url') ? head.indexOf('url') : rows[0].findIndex(isUrl);
  const ref = named ? head.findIndex((c) => ['ref', 'sku', 'id', 'name'].includes(c)) : -1;
  if (url < 0) return [];
  return rows.slice(named ? 1 : 0).map((r) => ({ url: (r[url] ?? '').trim(), ref: ref >= 0 && ref !== url ? r[ref]?.trim() : '' }))
    .filter((r) => r.url).map((r) => (r.ref ? r : r.url));
}

/** A list of URLs, or a table with a column of them: what `urls` of a job takes. A comma may be part of a
 *  URL, so a list without a head is a table by commas only where its file says so (`csv`). */
export function urlsOf(text, csv = false) {
  const clean = text.replace(/^\ufeff/, '');
  for (const separator of ['\t', ';', ',']) {
    const rows = cells(clean, separator);
    const first = (rows[0] ?? []).map((c) => c.trim());
    const headed = first.some((c) => c.toLowerCase() === 'url');
    const mixed = first.some(isUrl) && first.some((c) => c && !isUrl(c)) && (csv || separator === '\t');
    if (first.length > 1 && (headed || mixed)) return table(rows);
    if (first.length === 1 && headed) return table(rows);
  }
  return clean.split(/\s+|,(?=https?:)/).map((u) => u.replace(/^["'<]+|["'>,;]+$/g, '')).filter(Boolean);
}

/* ---- as HTML ---------------------------------------------------------------------------------------- */

const escape = (text) => text.replace(/[&<>"]/g, (c) => ({ '&': '&amp;', '<': '&lt;', '>': '&gt;', '"': '&quot;' })[c]);
const RANK = ['avif', 'webp', 'png', 'jpeg'];
const MEDIA = { avif: 'image/avif', webp: 'image/webp', png: 'image/png', jpeg: 'image/jpeg' };

/* Those of one shape, which a browser may choose among: as the most of them are, not the cropped ones. */
function ofOneShape({ source, variants }) {
  const ratio = source?.width ? source.width / source.height : 0;
  const alike = variants.filter((v) => Math.abs(v.width / v.height - ratio) <= 0.02 * ratio + 1 / v.height);
  return (alike.length ? alike : variants).slice().sort((a, b) => a.width - b.width);
}

export const srcset = (list) => list.map((v) => `${escape(v.url)} ${v.width}w`).join(', ');

/** <picture> with a source for each format, the best packed first. */
export function pictureHtml(item, sizes = '100vw') {
  const all = ofOneShape(item);
  if (!all.length) return '';
  const formats = RANK.filter((f) => all.some((v) => v.format === f));
  const of = (f) => all.filter((v) => v.format === f);
  const last = formats.at(-1), shown = of(last).at(-1);
  const sources = formats.slice(0, -1).map((f) => `  <source type="${MEDIA[f]}" srcset="${srcset(of(f))}" sizes="${sizes}">\n`).join('');
  return `<picture>\n${sources}  <img src="${escape(shown.url)}" srcset="${srcset(of(last))}" sizes="${sizes}" width="${shown.width}" height="${shown.height}" alt="${escape(nameOf(item.url))}" loading="lazy" decoding="async">\n</picture>`;
}
