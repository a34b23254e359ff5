// SPDX-License-Identifier: MIT
'use strict';

const byId = (id) => document.getElementById(id);
const text = (tag, words) => Object.assign(document.createElement(tag), { textContent: words });
const get = async (path) => (await fetch(path)).json();

async function showItems(job) {
	const { items } = await get(`v1/jobs/${job}/items`);
	byId('items').replaceChildren(...items.flatMap((item) => [
		text('p', `${item.status} ${item.url}`),
		...item.variants.map((v) => Object.assign(new Image(), { src: v.url, alt: v.name })),
	]));
}

async function showJobs() {
	const { jobs } = await get('v1/jobs');
	byId('jobs').replaceChildren(...jobs.map((job) => {
		const line = document.createElement('li');
		const link = text('a', job.id);
		link.href = `#${job.id}`;
		line.append(link, ` ${job.status} ${job.counts.succeeded}/${job.counts.total}`);
		return line;
	}));
	if (location.hash)
		await showItems(location.hash.slice(1));
}

addEventListener('hashchange', showJobs);
setInterval(showJobs, 2000);
showJobs();
