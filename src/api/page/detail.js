// SPDX-License-Identifier: MIT
//
// One item in full: the picture (and before and after, where its background was removed), every file of
// it, where its time went, and what to do where it failed.
import { copy, el } from './dom.js';
import { about, shownOf } from './card.js';
import { bytes, ms, nameOf, pictureHtml, srcset } from './words.js';

const REASONS = {
  requested: 'as the request said', flat_background: 'the ground was flat', confident: 'the local model was sure enough',
  low_confidence: 'the local model was not sure enough', no_budget: 'nothing more may be paid', no_provider: 'no service is set up',
  provider_failed: 'the service failed', charge_unknown: 'an earlier call may have been charged', no_model: 'no local model is installed',
};

/* A slider over the two pictures: what is left of it is the original. */
function pair(item) {
  const { cutout } = item;
  const whole = cutout.left === 0 && cutout.top === 0 && cutout.width === item.source?.width;
  const before = shownOf(item, 640) ?? item.source;
  const slider = el('input', { type: 'range', min: 0, max: 100, value: 50, 'aria-label': 'Before and after: how much of the original is shown' });
  const box = el('div', { class: 'pair checks' }, el('img', { class: 'after', src: cutout.url, alt: `${nameOf(item.url)}, cut out` }),
    el('img', { class: 'before', src: before.url, alt: `${nameOf(item.url)}, before` }), slider);
  box.style.setProperty('--ratio', whole && item.source?.width ? `${item.source.width} / ${item.source.height}` : `${cutout.width} / ${cutout.height}`);
  slider.addEventListener('input', () => box.style.setProperty('--cut', `${slider.value}%`));
  return box;
}

function view(item) {
  if (item.cutout?.status === 'succeeded' && item.cutout.url && shownOf({ ...item, cutout: null })) return pair(item);
  const shown = shownOf(item, 900);
  return shown?.url ? el('img', { src: shown.url, alt: nameOf(item.url) }) : el('p', { class: 'hint' }, about(item));
}

function fileRow(name, f) {
  return el('tr', {}, el('th', { scope: 'row' }, f.url ? el('a', { href: f.url, target: '_blank', rel: 'noreferrer' }, name) : name),
    el('td', {}, `${f.width ?? '?'} × ${f.height ?? '?'}`), el('td', {}, f.format ?? ''), el('td', {}, bytes(f.bytes)));
}

function files(item) {
  const rows = item.variants.map((v) => fileRow(v.name, v));
  if (item.cutout?.url) rows.push(fileRow('cut-out', item.cutout));
  if (item.source?.key) rows.push(fileRow('original', item.source));
  return rows.length ? el('section', {}, el('h3', {}, 'Files'), el('table', {}, el('tbody', {}, ...rows))) : null;
}

function times(item) {
  const parts = ['queued', 'download', 'process', 'store'].map((n) => [n, item.timing_ms?.[n]]).filter(([, v]) => Number.isFinite(v));
  if (!parts.length) return null;
  const most = Math.max(1, ...parts.map(([, v]) => v));

  return el('section', {}, el('h3', {}, 'Time'), el('div', { class: 'bars' }, ...parts.map(([name, v]) => {
    const bar = el('i');
    bar.style.width = `${(v / most) * 100}%`;
    return el('div', {}, el('span', {}, name), bar, el('span', {}, ms(v)));
  })));
}

function problem(title, p) {
  if (!p) return null;
  return el('section', { role: 'note' }, el('h3', {}, title), el('p', { class: 'bad' }, el('code', {}, p.code), ` ${p.title}`),
    el('p', {}, p.detail), el('p', { class: 'hint' }, p.retryable ? 'It may pass another time: retry the batch. ' : 'It will not pass another time as it is. ',
      el('a', { href: p.type, target: '_blank', rel: 'noreferrer' }, 'What to do')));
}

function cutout(item) {
  const c = item.cutout;
  if (!c || c.status !== 'succeeded') return problem(c?.status === 'none' ? 'No subject' : 'Cut-out', c?.error);
  const sure = c.confidence === null || c.confidence === undefined ? '' : `, ${Math.round(c.confidence * 100)} % sure`;
  const cost = c.cost ? `, ${c.cost} credits` : '';
  return el('section', {}, el('h3', {}, 'Cut-out'), el('p', {}, `by ${c.engine}${sure}${cost}`), el('p', { class: 'hint' }, REASONS[c.reason] ?? c.reason ?? ''));
}

function copies(item) {
  if (!item.variants.length) return null;
  const html = el('button', { type: 'button', class: 'quiet' }, 'Copy <picture>');
  const set = el('button', { type: 'button', class: 'quiet' }, 'Copy srcset');
  html.addEventListener('click', () => copy(html, pictureHtml(item)));
  set.addEventListener('click', () => copy(set, srcset(item.variants.slice().sort((a, b) => a.width - b.width))));
  return el('p', { class: 'row' }, html, set);
}

const CACHE = { hit: 'its original was here already, and was not asked for again', revalidated: 'the origin said that it has not changed',
  coalesced: 'it came in the download of another item', miss: 'it was downloaded' };

/** Fills the dialog; it is opened by whoever called. */
export function fillDetail(dialog, item) {
  const close = el('button', { type: 'button', class: 'quiet close', 'aria-label': 'Close', on: { click: () => dialog.close() } }, '✕');
  const refs = item.refs?.length ? el('p', { class: 'hint' }, item.refs.join(', ')) : null;
  dialog.replaceChildren(el('div', { class: 'detail' }, el('div', { class: 'view' }, view(item)), el('div', { class: 'words' },
    el('div', {}, el('h2', { id: 'detail-title' }, nameOf(item.url)), refs,
      el('p', { class: 'hint' }, el('a', { href: item.url, target: '_blank', rel: 'noreferrer noopener' }, item.url.length > 120 ? `${item.url.slice(0, 120)}…` : item.url))),
    el('p', {}, el('span', { class: `badge ${item.status}` }, item.status), ` ${item.cache ? CACHE[item.cache] : ''}`),
    problem('What went wrong', item.error), cutout(item), files(item), copies(item), times(item),
    el('p', { class: 'hint' }, `Run ${item.run}, ${item.tries} ${item.tries === 1 ? 'try' : 'tries'}.`)), close));
}
