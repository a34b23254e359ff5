// An S3 server for quick runs: fauxqs, within this process and gone with it. It starts in a blink and
// keeps objects in memory, and takes any signature: what a bucket refuses is Swift's to show.
import { after as afterAll, before } from 'node:test';
import { buildApp } from 'fauxqs';

const BODY_MAX = 32 << 20; // its own limit is less than a part of ours

/** One server for all tests of a file: what swiftOfFile() gives. */
export function fauxqsOfFile() {
  const it = {};
  const app = buildApp({ logger: false });
  app.removeContentTypeParser('*');
  app.addContentTypeParser('*', { parseAs: 'buffer', bodyLimit: BODY_MAX }, (_, body, done) => done(null, body));
  before(async () => {
    const url = await app.listen({ port: 0, host: '127.0.0.1' });
    const env = { AWS_ACCESS_KEY_ID: 'any', AWS_SECRET_ACCESS_KEY: 'any', AWS_REGION: 'us-east-1', AWS_ENDPOINT_URL_S3: url };
    Object.assign(it, { url, port: Number(new URL(url).port), env });
  });
  afterAll(() => app.close());
  return it;
}
