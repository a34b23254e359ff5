// SPDX-License-Identifier: MIT
//
// <bulb-batch events-url="…">: a batch as it becomes pictures. The class is made when it is asked for, so
// that a server can import this file. Nothing here needs more than `style-src 'self'`: the style sheet is
// constructed, and placeholders are drawn on a canvas. What strangers wrote is set as text.
//
// Attributes: events-url, variant (name of the one to show). Properties: state, options (of createBatch),
// labels. Events: bulb-change (detail: state), bulb-item, bulb-end. Parts: see README.
import { createBatch, hasEnded, initialState } from './state.js';
import { thumbHashToRgba } from './thumbhash.js';

export const LABELS = {
  batch: 'Batch of pictures', progress: 'Progress', retry: 'Read on',
  status: (s) => `${s.done} of ${s.total} done${s.counts?.failed ? `, ${s.counts.failed} failed` : ''}`,
  connection: {
    idle: '', live: '', complete: '', closed: '', connecting: 'Connecting …',
    waiting: (c) => `Connection lost; resuming after event ${c.after}`, failed: (c) => `Stopped: ${c.error?.message ?? 'failed'}`,
  },
  item: { queued: 'waiting', downloading: 'downloading', processing: 'processing', storing: 'storing', canceled: 'canceled' },
  cutout: { pending: 'cutting out', none: 'no subject', failed: 'cut-out failed' },
};

const STYLE = `
:host { display: block; color: var(--bulb-color, CanvasText); font: var(--bulb-font, inherit); }
:host([hidden]) { display: none; }
.head { display: flex; flex-wrap: wrap; gap: .5em 1em; align-items: baseline; margin-block-end: var(--bulb-gap, 1rem); }
progress { flex: 1 1 12em; accent-color: var(--bulb-accent, #7a5cff); }
.connection:empty, .again[hidden] { display: none; }
.quiet { position: absolute; width: 1px; height: 1px; overflow: hidden; clip-path: inset(50%); white-space: nowrap; }
ul { display: grid; gap: var(--bulb-gap, 1rem); margin: 0; padding: 0; list-style: none;
  grid-template-columns: repeat(auto-fill, minmax(min(100%, var(--bulb-card-min, 10rem)), 1fr)); }
li { min-width: 0; content-visibility: auto; contain-intrinsic-size: auto 12rem; }
.frame { position: relative; display: block; overflow: hidden; aspect-ratio: var(--bulb-ratio, 1);
  border-radius: var(--bulb-radius, .5rem); background: var(--bulb-surface, color-mix(in srgb, currentColor 10%, transparent)); }
.frame:focus-visible { outline: 3px solid var(--bulb-accent, #7a5cff); outline-offset: 2px; }
canvas, img { position: absolute; inset: 0; width: 100%; height: 100%; object-fit: var(--bulb-fit, cover); }
img { opacity: 0; transition: opacity .3s; }
img.there { opacity: 1; }
.name { display: block; margin-block-start: .35em; overflow: hidden; text-overflow: ellipsis; white-space: nowrap; }
.about { display: block; font-size: .85em; opacity: .8; }
.failed .about { color: var(--bulb-bad, #c02c2c); opacity: 1; }
@media (prefers-reduced-motion: reduce) { img { transition: none; } }
@media (prefers-color-scheme: dark) { .failed .about { color: var(--bulb-bad, #ff8f8f); } }
`;

const text = (value, ...args) => (typeof value === 'function' ? value(...args) : value ?? '');

function make(tag, part, props = {}, ...children) {
  const node = Object.assign(document.createElement(tag), props);
  if (part) {
    node.className = part;
    node.setAttribute('part', part);
  }
  node.append(...children);
  return node;
}

function nameOf(item) {
  const last = item.url.replace(/[?#].*/, '').replace(/\/+$/, '').replace(/.*\//, '');
  try {
    return decodeURIComponent(last) || item.url;
  } catch {
    return last;
  }
}

/* The one that was asked for, else the smallest that is not tiny. */
function shownOf(item, variant) {
  const list = item.variants ?? [];
  const named = list.find((v) => v.name === variant);
  return named ?? [...list].sort((a, b) => a.width - b.width).find((v) => v.width >= 300) ?? list[list.length - 1];
}

/* ---- one card -------------------------------------------------------------------------------------- */

class Card {
  constructor() {
    this.canvas = make('canvas', 'placeholder', { hidden: true });
    this.canvas.setAttribute('aria-hidden', 'true');
    this.img = make('img', 'picture', { alt: '', loading: 'lazy', decoding: 'async', hidden: true });
    this.img.onload = () => this.img.classList.add('there');
    this.frame = make('a', 'frame', {}, this.canvas, this.img);
    this.name = make('span', 'name');
    this.about = make('span', 'about');
    this.node = make('li', 'card', {}, this.frame, this.name, this.about);
  }

  show(item, variant, labels) {
    if (this.item === item && this.variant === variant) return;
    const { item: before } = this;
    Object.assign(this, { item, variant });
    const name = nameOf(item);
    this.node.className = `card ${item.status}`;
    this.node.setAttribute('part', `card ${item.status}`);
    this.name.textContent = name;
    this.name.title = item.url;
    this.about.textContent = this.#about(item, labels);
    if (item.placeholder?.thumbhash !== before?.placeholder?.thumbhash) this.#placeholder(item.placeholder);
    this.#picture(shownOf(item, variant), name);
  }

  #about(item, labels) {
    if (item.error) return item.error.detail || item.error.title || item.error.code;
    if (item.status === 'succeeded') return text(labels.cutout[item.cutout?.status], item) || text(labels.item.succeeded, item);
    return text(labels.item[item.status] ?? item.status, item);
  }

  #placeholder(placeholder) {
    this.canvas.hidden = !placeholder?.thumbhash;
    if (this.canvas.hidden) return;
    const { width, height, rgba } = thumbHashToRgba(placeholder.thumbhash);
    Object.assign(this.canvas, { width, height });
    this.canvas.getContext('2d').putImageData(new ImageData(rgba, width, height), 0, 0);
  }

  #picture(shown, name) {
    this.img.hidden = !shown;
    this.img.alt = name;
    if (!shown) {
      this.frame.removeAttribute('href');
      this.img.removeAttribute('src');
      return;
    }
    this.frame.href = shown.url;
    if (this.key === shown.key) return; // the same bytes, by a link that was signed again
    this.key = shown.key;
    this.img.classList.remove('there');
    this.img.src = shown.url;
  }
}

/* ---- the element ----------------------------------------------------------------------------------- */

function makeClass() {
  let sheet;
  const style = () => {
    if (!sheet) (sheet = new CSSStyleSheet()).replaceSync(STYLE);
    return sheet;
  };

  return class BulbBatch extends HTMLElement {
    static observedAttributes = ['events-url', 'variant'];

    /** Read when a log is begun: fetch, refresh, transports … */
    options = {};
    labels = LABELS;
    #batch;
    #leave;
    #cards = new Map();
    #seen = initialState();
    #said = -1;
    #ui;

    get state() {
      return this.#batch?.getState() ?? initialState();
    }

    get eventsUrl() {
      return this.getAttribute('events-url') ?? '';
    }

    set eventsUrl(url) {
      this.setAttribute('events-url', url);
    }

    connectedCallback() {
      this.#build();
      this.#watch();
    }

    disconnectedCallback() {
      this.#leave?.();
      this.#leave = undefined;
    }

    attributeChangedCallback(name, before, now) {
      if (!this.isConnected || before === now || !this.#ui) return;
      if (name === 'events-url') this.#watch(before);
      else this.#draw();
    }

    /** Reads on: after the job was retried, or after an error. */
    resume() {
      this.#batch?.resume();
    }

    #build() {
      if (this.#ui) return;
      const root = this.attachShadow({ mode: 'open' });
      root.adoptedStyleSheets = [style()];
      const { labels } = this;
      const ui = (this.#ui = {
        bar: make('progress', 'progress', { max: 1, value: 0 }),
        status: make('span', 'status'),
        connection: make('span', 'connection'),
        again: make('button', 'again', { type: 'button', hidden: true, textContent: labels.retry, onclick: () => this.resume() }),
        said: make('span', 'quiet'),
        grid: make('ul', 'grid'),
      });
      ui.bar.setAttribute('aria-label', labels.progress);
      ui.said.setAttribute('role', 'status');
      ui.grid.setAttribute('role', 'list'); // Safari forgets it where list-style is none
      ui.grid.setAttribute('aria-label', labels.batch);
      root.append(make('div', 'head', {}, ui.bar, ui.status, ui.connection, ui.again, ui.said), ui.grid);
    }

    #watch(before) {
      const url = this.eventsUrl;
      const log = (u) => (u ?? '').replace(/[?#].*/, '');
      if (this.#batch && (before === undefined || log(before) === log(url))) this.#batch.setUrl(url);
      else {
        this.#leave?.();
        this.#leave = undefined;
        this.#cards.clear();
        this.#ui.grid.replaceChildren();
        this.#said = -1;
        this.#seen = initialState();
        this.#batch = createBatch(url, this.options);
      }
      this.#leave ??= this.#batch.subscribe(() => this.#draw());
      this.#draw();
    }

    #draw() {
      const { state, labels } = this;
      const { status, connection, bar, again } = this.#ui;
      bar.max = state.total || 1;
      bar.value = state.done;
      status.textContent = state.job ? text(labels.status, state) : '';
      connection.textContent = text(labels.connection[state.connection.phase], state.connection);
      again.hidden = state.connection.phase !== 'failed';
      this.#drawItems(state);
      this.#say(state);
      this.#tell(state);
    }

    #drawItems({ items }) {
      const { grid } = this.#ui;
      const variant = this.getAttribute('variant');
      items.forEach((item, i) => {
        let card = this.#cards.get(item.id);
        if (!card) this.#cards.set(item.id, (card = new Card()));
        card.show(item, variant, this.labels);
        if (grid.children[i] !== card.node) grid.insertBefore(card.node, grid.children[i] ?? null);
      });
    }

    /* A screen reader hears of every quarter, and of trouble; not of every picture. */
    #say(state) {
      const quarter = state.total ? Math.floor((state.done / state.total) * 4) : 0;
      const trouble = this.#ui.connection.textContent;
      const now = state.connection.phase === 'waiting' || state.connection.phase === 'failed' ? trouble : quarter;
      if (now === this.#said || (now === 0 && !hasEnded(state))) return;
      this.#said = now;
      this.#ui.said.textContent = typeof now === 'number' ? text(this.labels.status, state) : now;
    }

    #tell(state) {
      const before = this.#seen;
      this.#seen = state;
      if (state === before) return;
      const tell = (type, detail) => this.dispatchEvent(new CustomEvent(type, { detail }));
      const had = new Set(before.items);
      for (const item of state.items) if (!had.has(item)) tell('bulb-item', item);
      tell('bulb-change', state);
      const news = before.connection.phase !== 'complete' || state.after !== before.after; // a short resumption may come as one change
      if (state.connection.phase === 'complete' && news) tell('bulb-end', state);
    }
  };
}

let made;

/** The class of the element; made at the first call, in a browser. */
export const BatchElement = () => (made ??= makeClass());

/** Makes <bulb-batch> known to a document, once. */
export function defineBatch(name = 'bulb-batch', registry = globalThis.customElements) {
  if (!registry.get(name)) registry.define(name, name === 'bulb-batch' ? BatchElement() : class extends BatchElement() {});
}
