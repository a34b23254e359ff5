// SPDX-License-Identifier: MIT
//
// The page: hand in URLs, see jobs, watch one live. All there is to know of a job comes from its event
// log, which is read from wherever this page was when the connection broke. Whatever strangers wrote
// (URLs, tags) is set as text, never as markup.

const byId = (id) => document.getElementById(id);
const base = new URL('.', location.href);

function el(tag, props = {}, ...children) {
	const node = Object.assign(document.createElement(tag), props);
	node.append(...children);
	return node;
}
const bytes = (n) => (n >= 1 << 20 ? `${(n / (1 << 20)).toFixed(1)} MB` : `${Math.ceil(n / 1024)} KB`);
const nameOf = (url) => decodeURI(url.replace(/[?#].*/, '').replace(/.*\//, '')) || url;

async function api(path, opts) {
	const r = await fetch(new URL(path, base), opts);
	const doc = await r.json();
	if (!r.ok)
		throw new Error(doc.errors?.map((e) => `${e.pointer}: ${e.detail}`).join('; ') || doc.detail || doc.title);
	return doc;
}

/* ---- one job, live --------------------------------------------------------------------------------- */

const watched = { id: null, after: 0, socket: null, cards: new Map(), waits: 0 };

function aboutCutout(cut) {
	const sure = cut.confidence == null ? '' : `, ${Math.round(cut.confidence * 100)} % sure`;
	return {
		pending: 'cutting out …',
		none: 'no subject to cut out',
		failed: `cut-out failed: ${cut.error?.code}`,
	}[cut.status] ?? `cut out by ${cut.engine}${sure}`;
}

function cutFrame(item) {
	if (!item.cutout?.url)
		return '';
	return el('a', { className: 'frame cutout', href: item.cutout.url },
		el('img', { src: item.cutout.url, alt: `${nameOf(item.url)}, cut out`, loading: 'lazy' }));
}

function card(item) {
	const shown = item.variants.find((v) => v.width >= 300) ?? item.variants[0];
	const frame = shown
		? el('a', { className: 'frame', href: shown.url }, el('img', { src: shown.url, alt: nameOf(item.url), loading: 'lazy' }))
		: el('div', { className: 'frame' });
	if (item.placeholder)
		frame.style.backgroundColor = item.placeholder.color;
	const ms = (item.timing_ms?.download ?? 0) + (item.timing_ms?.process ?? 0) + (item.timing_ms?.store ?? 0);
	const about = item.error ? `${item.error.code}: ${item.error.detail ?? ''}`
		: item.status === 'succeeded' ? `${item.source?.width} × ${item.source?.height}, ${bytes(item.source?.bytes ?? 0)}, cache ${item.cache}, ${ms} ms`
			: item.status;
	return el('article', {}, frame, cutFrame(item), el('div', { className: 'about' },
		el('h3', { textContent: nameOf(item.url), title: item.url }),
		el('p', { textContent: about, className: item.error ? 'failed' : '' }),
		item.cutout ? el('p', { textContent: aboutCutout(item.cutout), className: item.cutout.status === 'failed' ? 'failed' : '' }) : '',
		el('ul', {}, ...item.variants.map((v) => el('li', {}, el('a', { href: v.url, textContent: v.name }), ` ${v.width}×${v.height} ${bytes(v.bytes)}`)))));
}

function showItem(item) {
	const fresh = card(item);
	const old = watched.cards.get(item.id);
	if (old)
		old.replaceWith(fresh);
	else
		byId('items').append(fresh);
	watched.cards.set(item.id, fresh);
}

function showJob(job) {
	const n = job.counts;
	const done = n.succeeded + n.failed + n.canceled;
	byId('title').textContent = job.tag ? `${job.tag} · ${job.id}` : job.id;
	byId('progress').max = n.total;
	byId('progress').value = done;
	byId('totals').replaceChildren(el('b', { className: job.status, textContent: job.status }),
		`: ${done} of ${n.total} done, ${n.failed} failed, ${n.cached} cached; saved ${job.savings.downloads} downloads and ${job.savings.encodes} encodes`);
}

function take(event) {
	watched.after = Number(event.sequence);
	if (event.type.startsWith('item.'))
		showItem(event.data);
	else
		showJob(event.data);
}

function connect(job) {
	const url = new URL(job.events_url);
	if (watched.after)
		url.searchParams.set('after', watched.after);
	const socket = watched.socket = new WebSocket(url);
	socket.onopen = () => {
		watched.waits = 0;
		byId('state').textContent = 'live';
	};
	socket.onmessage = (m) => watched.socket === socket && take(JSON.parse(m.data));
	socket.onclose = (e) => {
		if (watched.socket !== socket)
			return;
		if (e.code === 1000 || e.code === 1008) {
			byId('state').textContent = e.code === 1000 ? 'complete' : 'gone';
			return;
		}
		byId('state').textContent = `connection lost; resuming after event ${watched.after}`;
		setTimeout(() => watched.socket === socket && watch(watched.id), Math.min(10000, 500 * 2 ** watched.waits++));
	};
}

async function watch(id) {
	if (id !== watched.id) {
		watched.cards.clear();
		byId('items').replaceChildren();
		Object.assign(watched, { id, after: 0, waits: 0 });
	}
	watched.socket?.close();
	try {
		const job = await api(`v1/jobs/${id}`);
		byId('job').hidden = false;
		showJob(job);
		connect(job);
	} catch (e) {
		byId('state').textContent = e.message;
	}
}

/* ---- jobs ------------------------------------------------------------------------------------------ */

async function listJobs() {
	const { jobs } = await api('v1/jobs');
	byId('jobs').replaceChildren(...jobs.map((job) => {
		const link = el('a', { href: `#${job.id}` },
			el('b', { className: job.status, textContent: job.status }), ` ${job.counts.succeeded} of ${job.counts.total} ${job.tag ?? ''}`,
			el('small', { textContent: new Date(job.created_at).toLocaleString() }));
		if (job.id === watched.id)
			link.setAttribute('aria-current', 'true');
		return el('li', {}, link);
	}));
	return jobs;
}

byId('submit').addEventListener('submit', async (e) => {
	e.preventDefault();
	const urls = byId('urls').value.split(/\s+/).filter(Boolean);
	const background = byId('background').checked ? { remove: true } : undefined;
	byId('refused').textContent = '';
	try {
		const job = await api('v1/jobs', { method: 'POST', headers: { 'content-type': 'application/json' }, body: JSON.stringify({ urls, background }) });
		location.hash = job.id;
	} catch (err) {
		byId('refused').textContent = err.message;
	}
});

async function route() {
	const id = location.hash.slice(1);
	if (id)
		await watch(id);
	const jobs = await listJobs();
	if (!id && jobs.length)
		location.replace(`#${jobs[0].id}`);
}
addEventListener('hashchange', route);
setInterval(() => document.hidden || listJobs().catch(() => {}), 3000);
route();
