// The smallest function that bulb can give work to: sharp, and the S3 client that Lambda's runtime has.
// Copy what you need of it into the function you have. The contract is docs/http.md, "Work outside".
import { createHash, createHmac, randomUUID } from 'node:crypto';
import { GetObjectCommand, PutObjectCommand, S3Client } from '@aws-sdk/client-s3';
import sharp from 'sharp';

const s3 = new S3Client({ forcePathStyle: true });
const as = (code) => (e) => { throw Object.assign(e, { code }); };

async function work({ name: Bucket }, { kind, url, headers, etag, source, variants, key_prefix }) {
  const store = async (Body, format, more) => {
    const Key = `${key_prefix}${randomUUID()}.${format}`;
    await s3.send(new PutObjectCommand({ Bucket, Key, Body, ContentType: `image/${format}` }));
    return { ...more, format, key: Key, bytes: Body.length, sha256: createHash('sha256').update(Body).digest('hex') };
  };
  const answer = kind === 'fetch' && await fetch(url, { headers: { ...headers, ...(etag && { 'if-none-match': etag }) } }).catch(as('fetch_connect'));
  if (answer.status === 304) return { status: 'not_modified' };
  if (answer && !answer.ok) return { status: answer.status < 500 ? 'failed' : 'later', error: { code: 'fetch_status', stage: 'download', source_status: answer.status } };
  const bytes = Buffer.from(answer ? await answer.arrayBuffer().catch(as('fetch_connect'))
    : await (await s3.send(new GetObjectCommand({ Bucket, Key: source.key }))).Body.transformToByteArray());
  const { format, autoOrient: { width, height } } = await sharp(bytes).metadata().catch(as('decode_corrupt'));
  const made = await Promise.all(variants.map(async (v) => {
    const { data, info } = await sharp(bytes).rotate().resize({ ...v, withoutEnlargement: v.without_enlargement }).toFormat(v.format, v)
      .toBuffer({ resolveWithObject: true }).catch(as('decode_corrupt'));
    return store(data, v.format, { name: v.name, recipe: v.recipe, width: info.width, height: info.height });
  }));
  return { status: 'succeeded', variants: made, etag: answer?.headers?.get('etag'),
    source: answer ? await store(bytes, format, { width, height }) : undefined };
}

export async function handler({ report_url, bucket, tasks }) {
  for (const task of tasks) {
    const result = await work(bucket, task).catch((e) => ({ status: e.code === 'decode_corrupt' ? 'failed' : 'later', after: 1,
      error: { code: e.code ?? 'internal', detail: e.message } }));
    const body = JSON.stringify({ task: task.task, ...result }), id = randomUUID(), time = `${Math.floor(Date.now() / 1000)}`;
    const mac = createHmac('sha256', Buffer.from(task.secret.slice(6), 'base64')).update(`${id}.${time}.${body}`).digest('base64');
    const { status } = await fetch(report_url, { method: 'POST', body, headers: { 'content-type': 'application/json',
      'webhook-id': id, 'webhook-timestamp': time, 'webhook-signature': `v1,${mac}` } });
    if (status >= 500) throw new Error(`the server answered ${status}`); // Lambda delivers the event again: nothing is recorded twice
  }
}
