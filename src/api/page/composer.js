// SPDX-License-Identifier: MIT
//
// A new batch: URLs from a list or a file, which variants, and whether subjects are cut out.
import { byId, el, say } from './dom.js';
import { plural, urlsOf } from './words.js';

const PLACES = [[/^\/urls\/(\d+)/, (m) => `URL ${Number(m[1]) + 1}`], [/^\/variants\/(\d+)/, (m) => `variant ${Number(m[1]) + 1}`],
  [/^\/background/, () => 'background'], [/^\/tag/, () => 'tag']];
const placeOf = (pointer) => PLACES.map(([re, say]) => re.exec(pointer) && say(re.exec(pointer))).find(Boolean) ?? pointer;

export class Composer {
  #client;
  #presets = {};
  #own = []; // variants of the user's
  #csv = false; // the text is a file's that says so

  /** client(): whom to ask. made(job): a batch was accepted. */
  constructor(client, made) {
    this.#client = client;
    const form = byId('composer');
    form.addEventListener('submit', (e) => {
      e.preventDefault();
      this.#submit(made);
    });
    byId('estimate').addEventListener('click', () => this.#estimate());
    byId('urls').addEventListener('input', () => {
      this.#csv = false;
      this.#count();
    });
    byId('urls').addEventListener('keydown', (e) => e.key === 'Enter' && (e.ctrlKey || e.metaKey) && form.requestSubmit());
    byId('preset').addEventListener('change', () => this.#drawVariants());
    byId('own-add').addEventListener('click', () => this.#add());
    byId('background').addEventListener('change', (e) => (byId('background-options').hidden = !e.target.checked));
    byId('engine').addEventListener('change', () => this.#costs());
    this.#costs();
    this.#files();
  }

  async start() {
    this.#presets = await this.#client().presets();
    const names = Object.keys(this.#presets);
    byId('preset').replaceChildren(...names.map((n) => el('option', { value: n }, n)));
    this.#drawVariants();
  }

  /** Ready for the next batch. */
  clear() {
    byId('urls').value = '';
    this.#csv = false;
    this.#count();
  }

  /* ---- URLs ---------------------------------------------------------------------------------------- */

  #urls() {
    return urlsOf(byId('urls').value, this.#csv);
  }

  #count() {
    const n = this.#urls().length;
    const hint = byId('urls-count').firstChild;
    hint.textContent = n ? `${plural(n, 'URL')}. ` : 'Paste a list, or drop a text or CSV file here. ';
  }

  async #take(file) {
    if (!file) return;
    byId('urls').value = await file.text();
    this.#csv = /\.(csv|tsv)$/i.test(file.name) || file.type === 'text/csv';
    this.#count();
  }

  #files() {
    const drop = byId('drop');
    const over = (on) => drop.classList.toggle('over', on);
    byId('pick').addEventListener('click', () => byId('file').click());
    byId('file').addEventListener('change', (e) => {
      this.#take(e.target.files[0]);
      e.target.value = '';
    });
    drop.addEventListener('dragover', (e) => {
      e.preventDefault();
      over(true);
    });
    drop.addEventListener('dragleave', () => over(false));
    drop.addEventListener('drop', (e) => {
      e.preventDefault();
      over(false);
      if (e.dataTransfer.files.length) this.#take(e.dataTransfer.files[0]);
      else byId('urls').value = `${byId('urls').value}\n${e.dataTransfer.getData('text/uri-list') || e.dataTransfer.getData('text')}`.trim();
      this.#count();
    });
  }

  /* ---- variants ------------------------------------------------------------------------------------ */

  #offered() {
    return [...(this.#presets[byId('preset').value] ?? []), ...this.#own];
  }

  /* What was taken away stays away when one is added. */
  #drawVariants() {
    const off = new Set([...byId('variants').querySelectorAll('input:not(:checked)')].map((i) => i.value));
    byId('variants').replaceChildren(byId('variants').querySelector('legend') ?? '', ...this.#offered().map((v) => {
      const size = `${v.width ?? 'auto'}${v.height ? ` × ${v.height}` : ''} ${v.format}`;
      return el('label', { title: size }, el('input', { type: 'checkbox', value: v.name, checked: !off.has(v.name) }), `${v.name} `, el('small', { class: 'hint' }, size));
    }));
  }

  #add() {
    const number = (id) => (byId(id).value ? Number(byId(id).value) : undefined);
    const variant = { name: byId('own-name').value.trim(), width: number('own-width'), height: number('own-height'),
      fit: byId('own-fit').value, format: byId('own-format').value, quality: number('own-quality') };
    for (const key of Object.keys(variant)) if (variant[key] === undefined) delete variant[key];
    if (!variant.name || (!variant.width && !variant.height)) {
      (variant.name ? byId('own-width') : byId('own-name')).focus();
      return;
    }
    this.#own = [...this.#own.filter((v) => v.name !== variant.name), variant];
    this.#drawVariants();
    for (const id of ['own-name', 'own-width', 'own-height', 'own-quality']) byId(id).value = '';
  }

  /* The preset's name where nothing was changed, else the list. */
  #variants() {
    const chosen = new Set([...byId('variants').querySelectorAll('input:checked')].map((i) => i.value));
    const preset = byId('preset').value, all = this.#offered();
    const list = all.filter((v, i) => chosen.has(v.name) && !all.slice(i + 1).some((w) => w.name === v.name));
    return !this.#own.length && list.length === all.length ? { preset } : { variants: list };
  }

  /* ---- the request --------------------------------------------------------------------------------- */

  #costs() {
    byId('cost-field').hidden = !['auto', 'remote'].includes(byId('engine').value);
  }

  #request() {
    const request = { urls: this.#urls(), ...this.#variants() };
    const tag = byId('tag').value.trim();
    if (tag) request.tag = tag;
    if (!byId('background').checked) return request;
    request.background = { remove: true, engine: byId('engine').value, apply: byId('apply').value, crop: byId('crop').checked };
    if (byId('fill').value) request.background.fill = byId('fill').value;
    if (!byId('cost-field').hidden) request.background.max_cost = Number(byId('max-cost').value) || 0;
    return request;
  }

  #refuse(e) {
    const faults = e?.errors ?? [];
    byId('refused').replaceChildren(...(faults.length
      ? [el('ul', {}, ...faults.slice(0, 8).map((f) => el('li', {}, el('b', {}, placeOf(f.pointer)), ` ${f.detail}`)),
        faults.length > 8 ? el('li', {}, `and ${faults.length - 8} more`) : null)]
      : [e?.detail ?? e?.message ?? '']));
  }

  async #with(button, fn) {
    this.#refuse(null);
    byId('estimated').replaceChildren();
    const request = this.#request();
    if (!request.urls.length) {
      this.#refuse({ message: 'There is no URL yet.' });
      byId('urls').focus();
      return;
    }
    button.disabled = true;
    try {
      await fn(request);
    } catch (e) {
      this.#refuse(e);
    } finally {
      button.disabled = false;
    }
  }

  #submit(made) {
    return this.#with(byId('composer').querySelector('.primary'), async (request) => made(await this.#client().submit(request)));
  }

  #estimate() {
    return this.#with(byId('estimate'), async (request) => {
      const { counts, estimate: e } = await this.#client().submit({ ...request, dry_run: true });
      const parts = [[e.downloads, 'download'], [e.revalidations, 'revalidation'], [e.encodes, 'encode'], [e.cutouts, 'cut-out'], [e.paid_calls, 'paid call']]
        .filter(([n]) => n).map(([n, word]) => plural(n, word));
      const twice = counts.duplicates ? ` ${plural(counts.duplicates, 'duplicate')} fall away.` : '';
      const cost = e.cost ? ` At most ${e.cost} credits.` : '';
      say(byId('estimated'), `${plural(counts.total, 'picture')}: ${parts.join(', ') || 'nothing to do'}; ${e.hits} are done already.${twice}${cost}`);
    });
  }
}
