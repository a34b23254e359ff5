// SPDX-License-Identifier: MIT
//
// The contact sheet: however many items a batch has, only the cards in sight (and a row or two beside
// them) are in the document. The window scrolls; cards are placed by transform and used again. One card is
// in the tab order, the arrow keys move among all of them, and a screen reader is told where each stands.
const GAP = 16, WISH = 248, LEAST = 150, MARGIN = 2;
const FAST = 1.5, SETTLE_MS = 90; // screens a second, from which on cards are only passing by

export class Sheet {
  #root;
  #make;
  #items = [];
  #cards = new Map(); // id → card, of those in the document
  #spare = [];
  #columns = 1;
  #width = WISH;
  #height = 220;
  #current = 0; // the one in the tab order
  #due = false;
  #fast = false;
  #seen = { at: 0, y: 0 };
  #rest;

  /** make() gives a card: { node, button, show(item, brief), settle() }. */
  constructor(root, make) {
    this.#root = root;
    this.#make = make;
    addEventListener('scroll', () => this.#scrolled(), { passive: true });
    new ResizeObserver(() => this.#measure()).observe(root);
    root.addEventListener('keydown', (e) => this.#key(e));
    root.addEventListener('focusin', (e) => this.#focused(e.target));
  }

  /** Those to show, in order. */
  show(items) {
    this.#items = items;
    this.#current = Math.min(this.#current, Math.max(0, items.length - 1));
    this.#soon();
  }

  clear() {
    for (const card of this.#cards.values()) card.node.remove();
    this.#cards.clear();
    this.#items = [];
    this.#current = 0;
  }

  get cards() {
    return this.#cards;
  }

  /* ---- where cards lie -------------------------------------------------------------------------- */

  #measure() {
    const room = this.#root.clientWidth;
    if (!room) return;
    const wish = room < 520 ? LEAST : WISH;
    this.#columns = Math.max(1, Math.floor((room + GAP) / (wish + GAP)));
    this.#width = (room - GAP * (this.#columns - 1)) / this.#columns;
    this.#height = Math.round(this.#width * 0.68) + 52;
    this.#draw(true);
  }

  /* Whoever flies past sees colours and names; pictures are drawn where it comes to rest. */
  #scrolled() {
    const now = performance.now(), ms = Math.max(1, now - this.#seen.at);
    this.#fast = ms < SETTLE_MS && Math.abs(scrollY - this.#seen.y) / innerHeight / ms > FAST / 1000;
    this.#seen = { at: now, y: scrollY };
    clearTimeout(this.#rest);
    this.#rest = setTimeout(() => this.#settle(), SETTLE_MS);
    this.#soon();
  }

  #settle() {
    this.#fast = false;
    for (const card of this.#cards.values()) if (card.brief) card.settle();
  }

  #soon() {
    if (this.#due) return;
    this.#due = true;
    requestAnimationFrame(() => {
      this.#due = false;
      this.#draw(false);
    });
  }

  #draw(moved) {
    const step = this.#height + GAP;
    const rows = Math.ceil(this.#items.length / this.#columns);
    const height = `${Math.max(0, rows * step - GAP)}px`;
    if (this.#root.style.height !== height) this.#root.style.height = height;
    const top = -this.#root.getBoundingClientRect().top;
    const first = Math.max(0, Math.floor(top / step) - MARGIN) * this.#columns;
    const last = Math.min(this.#items.length, (Math.ceil((top + innerHeight) / step) + MARGIN) * this.#columns);
    this.#keep(first, last);
    for (let i = first; i < last; i++) this.#place(i, moved);
  }

  /* Cards that went out of sight are spare, but not the one that has the focus. */
  #keep(first, last) {
    const wanted = new Set();
    for (let i = first; i < last; i++) wanted.add(this.#items[i].id);
    for (const [id, card] of this.#cards) {
      if (wanted.has(id) || card.button === document.activeElement) continue;
      this.#cards.delete(id);
      card.node.hidden = true;
      this.#spare.push(card);
    }
    while (this.#spare.length > 60) this.#spare.pop().node.remove();
  }

  #place(i, moved) {
    const item = this.#items[i];
    let card = this.#cards.get(item.id);
    const fresh = !card;
    if (fresh) {
      card = this.#spare.pop() ?? this.#make();
      this.#cards.set(item.id, card);
      card.at = -1;
    }
    if (moved || card.at !== i || fresh) this.#move(card, i);
    if (card.item !== item) card.show(item, this.#fast);
    const tab = i === this.#current ? 0 : -1;
    if (card.button.tabIndex !== tab) card.button.tabIndex = tab;
    if (card.node.hidden) card.node.hidden = false;
    if (!card.node.isConnected) this.#root.append(card.node);
  }

  #move(card, i) {
    const x = (i % this.#columns) * (this.#width + GAP), y = Math.floor(i / this.#columns) * (this.#height + GAP);
    card.at = i;
    card.node.style.width = `${this.#width}px`;
    card.node.style.height = `${this.#height}px`;
    card.node.style.transform = `translate(${x}px, ${y}px)`;
    card.node.setAttribute('aria-posinset', i + 1);
    card.node.setAttribute('aria-setsize', this.#items.length);
  }

  /* ---- by keyboard ------------------------------------------------------------------------------- */

  #focused(node) {
    for (const card of this.#cards.values()) if (card.button === node && card.at >= 0) this.#current = card.at;
    this.#soon();
  }

  #key(e) {
    const page = Math.max(1, Math.floor(innerHeight / (this.#height + GAP))) * this.#columns;
    const steps = { ArrowRight: 1, ArrowLeft: -1, ArrowDown: this.#columns, ArrowUp: -this.#columns, PageDown: page, PageUp: -page,
      Home: -this.#items.length, End: this.#items.length };
    if (!(e.key in steps) || !this.#items.length || e.ctrlKey || e.metaKey || e.altKey) return;
    e.preventDefault();
    this.focus(Math.min(this.#items.length - 1, Math.max(0, this.#current + steps[e.key])));
  }

  /** The card at this place gets the focus; it is scrolled to. */
  focus(i) {
    this.#current = i;
    const top = this.#root.getBoundingClientRect().top + Math.floor(i / this.#columns) * (this.#height + GAP);
    const bar = 110;
    if (top < bar) scrollBy(0, top - bar);
    else if (top + this.#height > innerHeight - GAP) scrollBy(0, top + this.#height - innerHeight + GAP);
    this.#draw(false);
    this.#cards.get(this.#items[i].id)?.button.focus({ preventScroll: true });
  }
}
