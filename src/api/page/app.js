// SPDX-License-Identifier: MIT
//
// The page at /: hand in a batch, watch it, come back to an old one. The address after # names the batch
// that is looked at. A server with keys is asked with one, which stays in this tab.
import { BatchView } from './batch.js';
import { createClient } from './client.js';
import { Composer } from './composer.js';
import { byId, say } from './dom.js';
import { History } from './history.js';

const KEY = 'bulb-key', THEME = 'bulb-theme';
const server = new URL('.', location.href);
let key = sessionStorage.getItem(KEY) ?? undefined;
let client = createClient({ server, key });
const current = () => client;

/* ---- light or dark ----------------------------------------------------------------------------------- */

function theme(next) {
  if (next) document.documentElement.dataset.theme = next;
  else delete document.documentElement.dataset.theme;
}
theme(localStorage.getItem(THEME));
byId('theme').addEventListener('click', () => {
  const dark = document.documentElement.dataset.theme
    ? document.documentElement.dataset.theme === 'dark' : matchMedia('(prefers-color-scheme: dark)').matches;
  localStorage.setItem(THEME, dark ? 'light' : 'dark');
  theme(dark ? 'light' : 'dark');
});

/* ---- the key ------------------------------------------------------------------------------------------ */

function askForKey(why = '') {
  const dialog = byId('key-dialog');
  byId('key').hidden = false;
  say(byId('key-refused'), why);
  if (!dialog.open) dialog.showModal();
}
byId('key').addEventListener('click', () => askForKey());
byId('key-dialog').addEventListener('close', (e) => {
  const given = byId('key-text').value.trim();
  byId('key-text').value = '';
  if (e.target.returnValue !== 'use' || !given) return;
  key = given;
  sessionStorage.setItem(KEY, key);
  client = createClient({ server, key });
  begin();
});

/* ---- where one is -------------------------------------------------------------------------------------- */

const view = new BatchView(current, () => {
  location.hash = '';
  history_.refresh();
});
const history_ = new History(current);
const composer = new Composer(current, (job) => {
  composer.clear();
  location.hash = job.id;
  history_.refresh();
});

async function route() {
  const id = decodeURIComponent(location.hash.slice(1));
  document.body.classList.toggle('watching', Boolean(id));
  history_.mark(id);
  byId('empty').hidden = Boolean(id);
  if (!id) {
    view.leave();
    return;
  }
  try {
    await view.watch(id);
    scrollTo(0, 0);
  } catch (e) {
    if (e.status === 401) askForKey();
    byId('empty').hidden = false;
    say(byId('empty').querySelector('h2'), e.status === 404 ? 'There is no such batch' : 'That did not work');
    say(byId('empty').querySelector('p'), e.detail ?? e.message);
  }
}
addEventListener('hashchange', route);
byId('new').addEventListener('click', () => {
  location.hash = '';
  document.body.classList.remove('watching');
  byId('urls').focus();
});

async function begin() {
  try {
    await composer.start();
    const jobs = await history_.refresh();
    if (!location.hash && jobs?.length && !byId('urls').value) location.replace(`#${jobs[0].id}`);
    else await route();
  } catch (e) {
    if (e.status === 401) askForKey(key ? 'That key is not one of this server\'s, or has ended.' : '');
    else say(byId('refused'), e.detail ?? e.message);
  }
}
begin();
