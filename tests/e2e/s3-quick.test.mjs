// Blobs in a bucket, quickly: no Swift, no root, an answer in seconds. What fauxqs does otherwise than S3 is
// left out here and is s3.test.mjs' to show.
import { bucketContract } from '../lib/bucket_contract.mjs';
import { fauxqsOfFile } from '../lib/fauxqs.mjs';

bucketContract(fauxqsOfFile(), {
  needs: { timeout: 60000 },
  large: 20_000_000,
  without: [
    ['an upload that fails leaves no parts, nor does one whose process died', 'it lists no uploads'],
    ['a link works until its end, and not a byte of it can be changed', 'it takes any signature and no notice of the time'],
    ['a wrong secret is refused and stands in no text', 'it takes any signature'],
  ],
});
