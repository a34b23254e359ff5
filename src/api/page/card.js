// SPDX-License-Identifier: MIT
//
// One item on the sheet: its placeholder at once, its picture when there is one, and in a line how far it
// is and where it came from. A card is used for many items, one after the other.
import { el, say } from './dom.js';
import { thumbHashToRgba } from './thumbhash.js';
import { bytes, ms, nameOf } from './words.js';

const STAGES = { queued: 'waiting', downloading: 'downloading', processing: 'developing', storing: 'storing', canceled: 'canceled' };
const CACHES = { hit: 'from cache', revalidated: 'unchanged', coalesced: 'shared', miss: '' };

/** The variant that fits a card best: wide enough, and no wider than it must be. */
export function shownOf({ variants, cutout }, atLeast = 320) {
  const sorted = variants.slice().sort((a, b) => a.width - b.width);
  return sorted.find((v) => v.width >= atLeast) ?? sorted.at(-1) ?? (cutout?.url ? cutout : undefined);
}

export function spentMs({ timing_ms: t }) {
  return (t?.download ?? 0) + (t?.process ?? 0) + (t?.store ?? 0);
}

/** A line about what came of it. */
export function about(item) {
  if (item.status !== 'succeeded') return item.error ? item.error.code : STAGES[item.status] ?? item.status;
  const { source } = item;
  const size = source?.width ? `${source.width} × ${source.height}` : '';
  return [size, bytes(source?.bytes), CACHES[item.cache] || (spentMs(item) ? ms(spentMs(item)) : '')].filter(Boolean).join(' · ');
}

function drawPlaceholder(canvas, placeholder) {
  canvas.hidden = !placeholder?.thumbhash;
  if (canvas.hidden || canvas.dataset.hash === placeholder.thumbhash) return;
  canvas.dataset.hash = placeholder.thumbhash;
  try {
    const { width, height, rgba } = thumbHashToRgba(placeholder.thumbhash);
    Object.assign(canvas, { width, height });
    canvas.getContext('2d').putImageData(new ImageData(new Uint8ClampedArray(rgba), width, height), 0, 0);
  } catch {
    canvas.hidden = true;
  }
}

export class Card {
  #canvas = el('canvas', { 'aria-hidden': 'true' });
  #img = el('img', { alt: '', decoding: 'async', draggable: 'false' });
  #stage = el('span');
  #cut = el('span', { class: 'note' });
  #wrong = el('span', { class: 'wrong' });
  #load = el('i');
  #name = el('b');
  #about = el('small');
  #frame = el('span', { class: 'frame' }, this.#canvas, this.#img, this.#wrong, el('span', { class: 'stage' }, this.#stage),
    this.#cut, el('span', { class: 'load' }, this.#load));
  button = el('button', { type: 'button', class: 'open' });
  node = el('div', { class: 'card', role: 'listitem' }, this.#frame, el('span', { class: 'caption' }, this.#name, this.#about), this.button);

  /** open(item): it was chosen. progressOf(item): { bytes, bytes_total } of a download under way. */
  constructor(open, progressOf) {
    this.progressOf = progressOf;
    this.button.addEventListener('click', () => open(this.item));
    this.#img.addEventListener('load', () => this.#img.classList.add('there'));
  }

  /** brief: it is only passing by; what it costs to draw comes with settle(). */
  show(item, brief = false) {
    this.item = item;
    const name = item.refs?.[0] ?? nameOf(item.url), line = about(item);
    this.node.dataset.id = item.id;
    this.node.dataset.status = item.status;
    say(this.#name, name);
    say(this.#about, line);
    this.button.setAttribute('aria-label', `${name}, ${item.status}, ${line}`);
    this.#words(item);
    this.#frame.style.backgroundColor = item.placeholder?.color ?? '';
    this.brief = brief;
    if (brief) this.#canvas.hidden = this.#img.hidden = true;
    else this.settle();
    this.progress(item);
  }

  /** The placeholder and the picture. */
  settle() {
    this.brief = false;
    drawPlaceholder(this.#canvas, this.item.placeholder);
    this.#picture(shownOf(this.item));
  }

  /* The same file under a link of a later hour stays as it is. */
  #picture(file) {
    const key = file?.key ?? '';
    this.#img.hidden = !file?.url;
    if (this.#img.dataset.key === key) return;
    this.#img.dataset.key = key;
    this.#img.classList.remove('there');
    this.#frame.classList.toggle('checks', Boolean(file && !file.name));
    this.#frame.classList.toggle('clear', Boolean(file && !file.name));
    if (file?.url) this.#img.src = file.url;
    else this.#img.removeAttribute('src');
  }

  #words(item) {
    const failed = item.status === 'failed';
    this.#wrong.hidden = !failed;
    if (failed) this.#wrong.replaceChildren(el('b', {}, item.error?.code ?? 'failed'), item.error?.title ?? '');
    this.#stage.hidden = ['succeeded', 'failed'].includes(item.status);
    say(this.#stage, STAGES[item.status] ?? item.status);
    const cut = { pending: 'cutting out …', succeeded: 'cut out', failed: 'cut-out failed', none: 'no subject' }[item.cutout?.status] ?? '';
    this.#cut.hidden = !cut;
    say(this.#cut, cut);
  }

  progress(item = this.item) {
    const now = this.progressOf(item);
    const part = now?.bytes_total > 0 ? Math.min(1, (now.bytes ?? 0) / now.bytes_total) : 0;
    this.#load.style.width = item.status === 'succeeded' || item.status === 'failed' ? '0' : `${Math.round(part * 100)}%`;
    if (now?.stage && !this.#stage.hidden) say(this.#stage, STAGES[now.stage] ?? now.stage);
  }
}
