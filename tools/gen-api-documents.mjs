// Writes src/api/documents/*.json, which the server serves, from docs/openapi.yaml and docs/asyncapi.yaml.
//
//   node tools/gen-api-documents.mjs           write them
//   node tools/gen-api-documents.mjs --check   exit 1 when one is no longer what would be written
//
// They are committed, so that a build needs no node.
import { createRequire } from 'node:module';
import { mkdirSync, readFileSync, writeFileSync } from 'node:fs';
import { dirname, join, resolve } from 'node:path';
import { fileURLToPath } from 'node:url';

const root = resolve(dirname(fileURLToPath(import.meta.url)), '..');
const { parse } = createRequire(join(root, 'tests/package.json'))('yaml');
const read = (name) => parse(readFileSync(join(root, 'docs', `${name}.yaml`), 'utf8'));

/** The schemas that a document names, and those that they name. */
function named(value, schemas, into = {}) {
  if (Array.isArray(value)) value.forEach((v) => named(v, schemas, into));
  else if (value && typeof value === 'object') {
    for (const [key, v] of Object.entries(value)) {
      const name = key === '$ref' && /#\/components\/schemas\/(.+)$/.exec(v)?.[1];
      if (name && !into[name]) {
        into[name] = schemas[name];
        named(schemas[name], schemas, into);
      } else named(v, schemas, into);
    }
  }
  return into;
}

export function documents() {
  const openapi = read('openapi'), asyncapi = read('asyncapi');
  const whole = JSON.parse(JSON.stringify(asyncapi).replaceAll('"openapi.yaml#', '"#'));
  whole.components.schemas = named(whole, openapi.components.schemas);
  return { openapi, asyncapi: whole };
}

if (process.argv[1] === fileURLToPath(import.meta.url)) {
  const dir = join(root, 'src/api/documents');
  mkdirSync(dir, { recursive: true });
  for (const [name, doc] of Object.entries(documents())) {
    const path = join(dir, `${name}.json`), text = `${JSON.stringify(doc)}\n`;
    if (!process.argv.includes('--check')) writeFileSync(path, text);
    else if (readFileSync(path, 'utf8') !== text) {
      console.error(`src/api/documents/${name}.json is stale: run make docs`);
      process.exitCode = 1;
    }
  }
}
