// Holds the answers of the server to docs/openapi.yaml and its events to docs/asyncapi.yaml. Every call
// that a test makes through the harness comes through here: an answer with a status, a media type or a
// member that the documents do not have fails the test that got it.
import Ajv2020 from 'ajv/dist/2020.js';
import addFormats from 'ajv-formats';
import { documents } from '../../tools/gen-api-documents.mjs';

const { openapi, asyncapi } = documents();
const ajv = addFormats(new Ajv2020({ strict: false, allErrors: true }));
ajv.addSchema({ $id: 'openapi', ...openapi });
ajv.addSchema({ $id: 'asyncapi', ...asyncapi });

const routes = Object.entries(openapi.paths).map(([path, item]) => ({
  path, item,
  match: new RegExp(`^${path.replace(/[.]/g, '\\.').replace('{key}', '.+').replace(/\{[a-z]+\}/g, '[^/]+')}$`),
  fixed: !path.includes('{'),
})).sort((a, b) => b.fixed - a.fixed);

const pointer = (...parts) => parts.map((p) => `/${encodeURIComponent(p.replaceAll('~', '~0').replaceAll('/', '~1'))}`).join('');
const compiled = new Map();
function check(ref, value, what) {
  if (!compiled.has(ref)) compiled.set(ref, ajv.compile({ $ref: ref }));
  const valid = compiled.get(ref);
  if (!valid(value)) {
    const [e] = valid.errors.slice(-1);
    throw new Error(`${what} is not what the documents say: ${valid.errors.map((x) => `${x.instancePath} ${x.message} ${JSON.stringify(x.params)}`).join('; ').slice(0, 600)} (${e.schemaPath})`);
  }
}

function answerOf(route, method, status) {
  const operation = route.item[method];
  const code = operation.responses[status] ? String(status) : 'default';
  const at = ['paths', route.path, method, 'responses', code];
  const answer = operation.responses[code];
  if (!answer.$ref) return { answer, ref: `openapi#${pointer(...at)}` };
  return { answer: answer.$ref.slice(2).split('/').reduce((o, k) => o[k], openapi), ref: `openapi${answer.$ref}` };
}

const STAGE = /^\/[\w-]+(?=\/v1\/)/; // what a gateway puts in front

/** Throws when the answer to a call is none of those that openapi.yaml has for it. */
export function checkAnswer(method, url, { status, headers, json, bytes }) {
  const path = new URL(url).pathname.replace(STAGE, '');
  const problem = /^application\/problem\+json/.test(headers['content-type'] ?? '');
  const route = routes.find((r) => r.match.test(path));
  const verb = method.toLowerCase() === 'head' ? 'get' : method.toLowerCase();
  const what = `${method} ${path} ${status}`;
  if (problem && bytes.length) check('openapi#/components/schemas/Problem', json, what);
  const ours = 'x-request-id' in headers; // a gateway between us says what it likes
  if (!route?.item[verb] || problem || !ours) return; // what is not there is refused by problems alone
  const { answer, ref } = answerOf(route, verb, status);
  if (status >= 400 && bytes.length && !answer.content?.[headers['content-type']?.split(';')[0]]) throw new Error(`${what}: an error that is no problem document`);
  const type = headers['content-type']?.split(';')[0];
  if (ref.endsWith('/default') || (status < 400 && !route.item[verb].responses[status])) throw new Error(`${what} is not among the answers of openapi.yaml`);
  if (!answer.content || !bytes.length) return;
  if (!(type in answer.content)) throw new Error(`${what}: ${type} is not among its media types`);
  if (answer.content[type].schema) check(`${ref}${pointer('content', type, 'schema')}`, json, what);
}

/** Throws when an event, as parsed, is none of asyncapi.yaml's. */
export const checkEvent = (event) => check('asyncapi#/components/schemas/Event', event, `event ${event?.type}`);
/** The same for one message of a kind: heartbeat, watch, answer … */
export const checkMessage = (kind, message) => check(`asyncapi#/components/messages/${kind}/payload`, message, kind);
export { openapi, asyncapi };
