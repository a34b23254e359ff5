// SPDX-License-Identifier: MIT
//
// The batches of this caller, newest first, kept up to date while the page is looked at.
import { byId, el } from './dom.js';
import { plural, since } from './words.js';

const PAGE = 20, EVERY_MS = 4000;

export class History {
  #client;
  #jobs = [];
  #pages = 1;
  #current;
  #busy = false;

  constructor(client) {
    this.#client = client;
    byId('older').addEventListener('click', () => {
      this.#pages++;
      this.refresh();
    });
    setInterval(() => document.hidden || this.refresh().catch(() => {}), EVERY_MS);
  }

  async refresh() {
    if (this.#busy) return this.#jobs;
    this.#busy = true;
    try {
      const jobs = [], most = this.#pages * PAGE;
      for await (const job of this.#client().jobs({ pageSize: PAGE })) {
        if (jobs.length === most) {
          byId('older').hidden = false;
          this.#draw(jobs);
          return jobs;
        }
        jobs.push(job);
      }
      byId('older').hidden = true;
      this.#draw(jobs);
      return jobs;
    } finally {
      this.#busy = false;
    }
  }

  mark(id) {
    this.#current = id;
    for (const a of byId('jobs').querySelectorAll('a')) {
      if (a.hash.slice(1) === id) a.setAttribute('aria-current', 'page');
      else a.removeAttribute('aria-current');
    }
  }

  /* Only what differs is written anew: a link that has the focus keeps it. */
  #draw(jobs) {
    this.#jobs = jobs;
    const list = byId('jobs');
    const there = new Map([...list.children].map((li) => [li.dataset.id, li]));
    const wanted = jobs.map((job) => {
      const li = there.get(job.id) ?? el('li', { data: { id: job.id } }, el('a', { href: `#${job.id}` }));
      const text = JSON.stringify([job.status, job.counts, job.tag, since(job.created_at)]);
      if (li.dataset.text !== text) this.#fill(li, job, text);
      return li;
    });
    if (wanted.length !== list.children.length || wanted.some((li, i) => list.children[i] !== li)) list.replaceChildren(...wanted);
    this.mark(this.#current);
  }

  #fill(li, job, text) {
    const { total, succeeded, failed } = job.counts;
    li.dataset.text = text;
    li.firstChild.replaceChildren(el('b', {}, job.tag || plural(total, 'picture')), el('span', { class: `badge ${job.status}` }, job.status),
      el('small', {}, `${succeeded} of ${total} done${failed ? `, ${failed} failed` : ''} · ${since(job.created_at)}`));
  }
}
