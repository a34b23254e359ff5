// The books: what the stand-in charged, what bulb says it spent, and what every cut-out says it
// cost have to agree, whoever was killed meanwhile. Nothing is paid twice, nothing beyond a budget.
import { get, items } from './harness.mjs';
import { sql } from './database.mjs';

/** What cut-outs of these jobs say: sha256 of the bytes → { paid, unknown, codes, confirmed: one of the jobs is a confirmer }. */
async function claims(base, ids, confirmers) {
  const by = new Map();
  for (const id of ids) {
    for (const { source, cutout } of await items(base, id)) {
      if (!source || !cutout) continue;
      const said = by.get(source.sha256) ?? { paid: 0, unknown: 0, codes: new Set() };
      by.set(source.sha256, said);
      if (confirmers.has(id)) said.confirmed = true;
      if (cutout.engine?.startsWith('remote:')) said.paid++;
      if (cutout.error?.code === 'matte_charge_unknown' || cutout.reason === 'charge_unknown') said.unknown++;
      if (cutout.error) said.codes.add(cutout.error.code);
    }
  }
  return by;
}

/** Jobs whose charges, added up one by one, exceed what they may pay or are not what they say. */
async function overdrawn(data) {
  const rows = await sql(data, `SELECT j.id, j.max_cost, j.spent + j.unknown + j.reserved,
    (SELECT coalesce(sum(cost), 0) FROM charge WHERE job = j.no) FROM job j`);
  return rows.filter(([, most, counted, sum]) => Number(sum) > Number(most) || counted !== sum)
    .map(([id, most, counted, sum]) => `${id} may pay ${most}, counts ${counted}, its charges are ${sum}`);
}

/**
 * Compares all of it when everything is over; resolves with a list of faults. confirmed: sha256 → calls
 * that somebody has confirmed may be made again, and confirmers, the jobs that did (with data). budget: what
 * all jobs together may have spent. data: the folder, whose charges are then added up for each job.
 */
export async function audit(base, bg, ids, { confirmed = new Map(), confirmers = new Set(), budget = Infinity, data } = {}) {
  const faults = [];
  const by = await claims(base, ids, confirmers);
  // Once somebody confirmed, the item says what came of the next try: it is more than the job has, or the
  // provider found nothing or failed without a charge, and only what was in doubt had been charged.
  const doubts = new Map(confirmers.size ? (await sql(data, 'SELECT lower(hex(sha256)), count(*) FROM charge WHERE state IN (2, 3) GROUP BY 1'))
    .map(([sha, n]) => [sha, Number(n)]) : []);
  const { json: { credits } } = await get(`${base}/v1/usage`);
  for (const [sha, said] of by)
    if (said.paid && !bg.charged.has(sha)) faults.push(`${sha.slice(0, 8)} says that it was paid, the provider knows nothing of it`);
  for (const [sha, n] of bg.charged) {
    const said = by.get(sha);
    if (n > 1 + (confirmed.get(sha) ?? 0)) faults.push(`${sha.slice(0, 8)} was charged ${n} times`);
    const afterDoubt = said?.confirmed && (said.codes.has('matte_budget') ? doubts.has(sha) : said.codes.size && n <= (doubts.get(sha) ?? 0));
    if (said && !said.paid && !said.unknown && !afterDoubt)
      faults.push(`${sha.slice(0, 8)} was charged, its cut-outs say ${[...said.codes].join() || 'nothing of it'}`);
  }
  if (credits.spent > bg.spent) faults.push(`usage says that ${credits.spent} were spent, the provider ${bg.spent}`);
  if (credits.spent + credits.unknown < bg.spent) faults.push(`the provider took ${bg.spent}, usage knows of ${credits.spent} + ${credits.unknown}`);
  if (credits.reserved !== 0) faults.push(`${credits.reserved} credits are reserved, and nothing is under way`);
  if (credits.spent + credits.unknown > budget)
    faults.push(`${credits.spent} + ${credits.unknown} credits exceed the budget of ${budget}`);
  if (data) faults.push(...await overdrawn(data));
  const unknown = [...by.values()].filter((said) => said.unknown).length;
  if (credits.unknown < unknown) faults.push(`${unknown} pictures say that their charge is unknown, usage counts ${credits.unknown}`);
  return faults;
}
