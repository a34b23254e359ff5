// deploy/aws: the templates against AWS's own specification of resources and rights, against bulb's settings and
// policies, and against what AWS would refuse or nobody should have. No AWS is asked. Faults that are planted show
// that each check can fail.
import test from 'node:test';
import assert from 'node:assert/strict';
import { spawn, spawnSync } from 'node:child_process';
import { existsSync, mkdirSync, readFileSync, statSync, symlinkSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { bulb, bulbBin, call, root, run, tempDir } from '../lib/harness.mjs';
import { faults, read, resolve, rightsFaults, statements } from '../lib/cloudformation.mjs';
import { httpServer, lambda } from '../lib/lambda_api.mjs';
import { signatureFault } from '../lib/invocations.mjs';

const path = (name) => join(root, 'deploy/aws', name);
const text = (name) => readFileSync(path(name), 'utf8');
const templates = { 'small.yaml': read(text('small.yaml')), 'cluster.yaml': read(text('cluster.yaml')) };
const origin = 'https://www.example.com';
const values = { DomainName: 'app.example.com', ImageTag: '1', AllowedOrigins: [origin], VpcCidr: '10.0.0.0/16', CertificateArn: 'arn:aws:acm:eu-west-1:123456789012:certificate/c',
  TaskSubnets: ['subnet-1'], PublicSubnets: ['subnet-2', 'subnet-3'], DatabaseSubnets: ['subnet-4', 'subnet-5'], VpcId: 'vpc-1', SubnetId: 'subnet-1', Zone: 'eu-west-1a' };
const all = { ...values, Exec: 'yes', GcSchedule: 'rate(1 day)', QueueKeySecret: 'arn:aws:secretsmanager:eu-west-1:123456789012:secret:queue', AlarmTopic: 'arn:aws:sns:eu-west-1:123456789012:t' };
const resources = (name, more = all) => resolve(templates[name], more);
const of = (name, type) => Object.entries(resources(name)).filter(([, r]) => r.Type === type);
const everything = (type) => Object.keys(templates).flatMap((n) => of(n, type).map(([name, r]) => ({ name: `${n} ${name}`, ...r })));
const container = (task, more) => resources('cluster.yaml', more)[task].ContainerDefinitions[0];
const environment = (c) => Object.fromEntries(c.Environment.map((e) => [e.Name, String(e.Value)]));

/** What is wrong with a template's text, all of it. */
async function wrong(source) {
  const t = read(source);
  const found = faults(t);
  return found.length ? found : rightsFaults(statements(resolve(t, all)));
}

test('the templates hold to AWS\'s specification of types, properties, references and rights', async () => {
  for (const name of Object.keys(templates)) assert.deepEqual(await wrong(text(name)), [], name);
});

const planted = [
  ['a property that there is not', 'VisibilityTimeout: 180', 'VisibilityTimeOut: 180', /JobQueue: no property VisibilityTimeOut/],
  ['a type that there is not', 'AWS::SQS::Queue', 'AWS::SQS::Topic', /no type AWS::SQS::Topic/],
  ['a number that is none', 'Timeout: 900', 'Timeout: long', /long is no integer/],
  ['a list where a word is due', 'Scheme: internet-facing', 'Scheme: [public]', /a list where string is due/],
  ['a word that is none of those allowed', 'VersioningConfiguration: { Status: Enabled }', 'VersioningConfiguration: { Status: Always }', /Always is none of Enabled, Suspended/],
  ['what is required and missing', '      Qualifier: $LATEST\n', '', /WorkByEvent: Qualifier is missing/],
  ['a Ref to nothing', 'Bucket: !Ref Bucket', 'Bucket: !Ref Buckett', /nothing is called Buckett/],
  ['a Sub of nothing', 's3://${Bucket}/pictures', 's3://${Bukket}/pictures', /nothing is called Bukket/],
  ['an attribute that there is not', '!GetAtt GivenUp.Arn', '!GetAtt GivenUp.Aarn', /has no attribute Aarn/],
  ['a reference to what is there only under a condition', 'Dimensions: [{ Name: QueueName, Value: !GetAtt GivenUp.QueueName }]', 'Dimensions: [{ Name: QueueName, Value: !GetAtt JobQueue.QueueName }]', /JobQueue is there only if WithQueue/],
  ['a condition that there is not', 'Condition: WithGc', 'Condition: WithGC', /no condition WithGC/],
  ['a parameter that nobody uses', 'Parameters:\n', 'Parameters:\n  Spare: { Type: String, Description: nothing }\n', /Spare: nobody uses it/],
  ['a parameter of another type', 'DesiredCount: !Ref Servers', 'DesiredCount: !Ref PublicSubnets', /PublicSubnets does not fit/],
  ['a bucket that goes with the stack', 'DeletionPolicy: Retain\n    UpdateReplacePolicy: Retain\n    Properties:\n      Pub', 'Properties:\n      Pub', /would go with the stack/],
  ['an anchor, which AWS does not read', 'Properties: { RetentionInDays', 'Properties: &a { RetentionInDays', /anchors/],
  ['every action of a service', "'s3:GetObject', 's3:PutObject', 's3:DeleteObject', 's3:AbortMultipartUpload'", "'s3:*'", /s3:\* has a wildcard/],
  ['an action that there is not', 'Action: ecs:RunTask', 'Action: ecs:StartJob', /no action ecs:StartJob/],
  ['an action in wrong letters', 'Action: iam:PassRole', 'Action: iam:passRole', /iam:passRole is written iam:PassRole/],
  ['every resource', 'Resource: !GetAtt GivenUp.Arn', "Resource: '*'", /sqs:SendMessage/],
  ['a bucket where objects are meant', "Resource: !Sub '${Bucket.Arn}/pictures/*'", 'Resource: !GetAtt Bucket.Arn', /s3:GetObject is not asked of arn:aws:s3:::bucket$/m],
  ['a condition that the action does not know', "'iam:PassedToService'", "'iam:PassedToServices'", /iam:PassRole knows no condition iam:PassedToServices/],
  ['anybody at all', 'Principal: { Service: lambda.amazonaws.com }', "Principal: '*'", /anybody may/],
];
test('it would be seen: an action that lacks one of the resources it needs', async () => {
  const source = text('small.yaml').replace("Action: ['ec2:AttachVolume', 'ec2:AssociateAddress']", 'Action: ec2:AssociateAddress');
  assert.match((await wrong(source)).join('\n'), /Role: ec2:AttachVolume needs a resource of the kind instance as well/);
});
for (const [what, from, to, message] of planted)
  test(`it would be seen: ${what}`, async () => {
    const source = text('cluster.yaml');
    assert.ok(source.includes(from), `the template has no ${from}`);
    const found = await wrong(source.replace(from, to)).catch((e) => [e.message]);
    assert.match(found.join('\n'), message);
  });

test('without the options, from the zip package and without the function it is whole as well', async () => {
  const plain = resources('cluster.yaml', values);
  for (const name of ['JobQueue', 'JobsFromQueue', 'Gc', 'GcRole']) assert.ok(!plain[name], name);
  assert.deepEqual(plain.SomethingGivenUp.AlarmActions, []);
  for (const f of ['Work', 'Ask']) {
    assert.deepEqual(Object.keys(plain[f].Code), ['ImageUri']);
    assert.ok(!('Handler' in plain[f]) && !('Runtime' in plain[f]) && plain[f].PackageType === 'Image', f);
    const zip = resources('cluster.yaml', { ...values, FunctionZipBucket: 'b', FunctionZipKey: 'k' })[f];
    assert.deepEqual([zip.PackageType, zip.Runtime, zip.Handler, zip.Code], ['Zip', 'provided.al2023', 'bulb', { S3Bucket: 'b', S3Key: 'k' }]);
  }
  for (const more of [values, { ...values, Dispatch: 'no' }]) assert.deepEqual(await rightsFaults(statements(resources('cluster.yaml', more))), []);
});

// ---- bulb's own settings and rights -----------------------------------------------------------------

/** Allowed action → resources, sorted. */
function rights(list) {
  const map = new Map();
  for (const s of list) for (const a of [s.Action].flat()) map.set(a, [...map.get(a) ?? [], ...[s.Resource].flat()]);
  return Object.fromEntries([...map].sort().map(([a, r]) => [a, [...new Set(r)].sort()]));
}
const policy = (name, role, which, more) => statements(resources(name, more)).filter((s) => s.where.startsWith(`${role}/${which}/`));
async function doctor(env) {
  const r = await run(['doctor', '--policy'], { env });
  assert.equal(r.code, 0, r.err);
  return JSON.parse(r.out).Statement;
}

const invoke = 'lambda:InvokeFunction';

test('servers may do what bulb doctor --policy prints for their settings, and nothing else', async () => {
  for (const more of [all, { ...all, OwnFunction: 'mine' }, { ...all, Dispatch: 'no' }])
    for (const task of ['ServeTask', 'WorkTask']) {
      const asked = rights(await doctor(environment(container(task, more))));
      const given = rights(policy('cluster.yaml', 'TaskRole', 'bulb', more));
      if (asked[invoke]) asked[invoke] = asked[invoke].map((a) => a.replace(':*:function:', ':123456789012:function:')); // the account
      assert.equal(asked[invoke]?.[0].split(':').at(-1), more.Dispatch === 'no' ? undefined : more.OwnFunction ?? 'pictures-work');
      assert.deepEqual(given, asked, `${task}, Dispatch ${more.Dispatch ?? 'yes'}`);
    }
  assert.deepEqual(rights(policy('small.yaml', 'Role', 'bulb', all)), rights(await doctor({ ...small().env, BULB_ROOT_KEY_FILE: '' })));
});

test('the function that works may do what docs/aws.md says of any function, go on in itself, and hand over what failed', () => {
  const [, json] = /\*\*The function may\*\*[\s\S]*?```json\n([\s\S]*?)```/.exec(readFileSync(join(root, 'docs/aws.md'), 'utf8'));
  const said = rights(JSON.parse(json.replaceAll('my-bucket', 'bucket')).Statement);
  const { [invoke]: itself, 'sqs:SendMessage': failed, 'logs:CreateLogStream': a, 'logs:PutLogEvents': b, 's3:DeleteObject': tidy, ...given } = rights(policy('cluster.yaml', 'WorkRole', 'work', all));
  assert.deepEqual(given, said);
  assert.deepEqual(tidy, ['arn:aws:s3:::bucket/pictures/out/*'], 'of what it made itself');
  assert.deepEqual(itself, ['arn:aws:lambda:eu-west-1:123456789012:function:pictures-work']);
  assert.equal(resources('cluster.yaml').Work.FunctionName, 'pictures-work');
  assert.ok(failed.length === 1 && a.length === 1 && b.length === 1);
  assert.deepEqual(Object.keys(rights(policy('cluster.yaml', 'AskRole', 'log', values))), ['logs:CreateLogStream', 'logs:PutLogEvents']);
});

/** What the instance of small.yaml is told: the script, files that it writes, and the settings. */
function small() {
  const script = resources('small.yaml').Template.LaunchTemplateData.UserData;
  const files = Object.fromEntries([...script.matchAll(/^cat >(\S+) <<'END'\n([\s\S]*?)^END$/gm)].map((m) => [m[1], m[2]]));
  const env = Object.fromEntries(files['/etc/bulb.env'].trim().split('\n').map((l) => l.split(/=(.*)/s).slice(0, 2)));
  return { script, files, env, serve: / serve (.*)$/m.exec(files['/etc/systemd/system/bulb.service'])[1].split(' ') };
}

test('every flag and variable is one of the command that gets it, and no secret stands among them', async () => {
  const help = Object.fromEntries(await Promise.all(['serve', 'work', 'lambda'].map(async (c) => [c, (await run([c, '--help'])).out])));
  const commands = [['serve', container('ServeTask')], ['work', container('WorkTask')]].map(([c, k]) => {
    assert.equal(k.Command[0], c);
    return [c, k.Command.slice(1), [...Object.keys(environment(k)), ...k.Secrets.map((s) => s.Name)]];
  });
  commands.push(['serve', small().serve, Object.keys(small().env)]);
  for (const f of ['Work', 'Ask']) commands.push(['lambda', [], Object.keys(resources('cluster.yaml')[f].Environment.Variables)]);
  for (const [c, args, names] of commands) {
    for (const flag of args.filter((a) => a.startsWith('--'))) assert.match(help[c], new RegExp(`${flag}[ =\n]`), `${c} ${flag}`);
    for (const n of names.filter((x) => x.startsWith('BULB_'))) assert.match(help[c], new RegExp(`--${n.slice(5).toLowerCase().replaceAll('_', '-')}(-file)?[ =\n]`), `${c} ${n}`);
  }
  const open = [...['ServeTask', 'WorkTask'].map((k) => environment(container(k))), small().env, ...['Work', 'Ask'].map((f) => resources('cluster.yaml')[f].Environment.Variables)];
  for (const env of open)
    for (const [name, v] of Object.entries(env)) assert.ok(!/KEY|SECRET|PASSWORD|TOKEN|CREDS/.test(name) || name.endsWith('_FILE') || String(v).startsWith('arn:'), `${name} stands in the open`);
  assert.deepEqual(container('ServeTask').Secrets.map((s) => s.Name), ['BULB_SECRET', 'BULB_ROOT_KEY', 'PGPASSWORD']);
  for (const k of ['ServeTask', 'WorkTask'])
    for (const { ValueFrom } of container(k).Secrets) assert.ok(statements(resources('cluster.yaml')).some((s) => s.of === 'StartRole' && s.Resource.includes(ValueFrom.split(/:password/)[0])), ValueFrom);
  const shared = environment(container('WorkTask')), servers = environment(container('ServeTask'));
  for (const [n, v] of Object.entries(shared)) assert.equal(v, servers[n], `${n} is the same in both`);
  for (const c of [small().serve, container('ServeTask').Command]) assert.ok(!c.includes('--open'));
});

/** The settings of a task but for what only AWS has: database, bucket, function. */
function local(env) {
  const { BULB_STORE, BULB_BUS, BULB_BLOB, BULB_DISPATCH, BULB_TRUSTED_PROXY, BULB_ROOT_KEY_FILE, ...rest } = env;
  return { ...rest, BULB_TRUSTED_PROXY: '127.0.0.1/32' };
}

test('a server starts with those settings, and answers the load balancer, the gateway and a page', { timeout: 60000 }, async (t) => {
  const key = 'k'.repeat(48);
  const host = 'app.example.com';
  for (const [name, env, requests] of [['cluster', environment(container('ServeTask')), 'https://api.execute-api.eu-west-1.amazonaws.com/'], ['small', small().env, `https://${host}/`]]) {
    const s = await bulb(t, tempDir(t), ['--ops-listen', '127.0.0.1:0', '--workers', '0'], { ...local(env), BULB_ROOT_KEY: key });
    const ops = /health and metrics on (http:\S+)/.exec(s.out + s.err)?.[1];
    assert.ok(ops, `${name}: ${s.out}`);
    const ask = (url, headers) => call('GET', url, { headers, foreign: true });
    assert.equal((await ask(`${ops}/readyz`, { host: '10.0.0.7:8081' })).status, 200, 'the health check names an address');
    assert.equal((await ask(`${s.url}/readyz`, { host: '10.0.0.7:8080' })).status, 421);
    assert.equal((await ask(`${s.url}/v1/jobs`, { host })).status, 401);
    const job = await call('POST', `${s.url}/v1/jobs`, { headers: { host, origin, authorization: `Bearer ${key}` }, json: { urls: ['http://127.0.0.1:9/a.png'] } });
    assert.equal(job.status, 202, JSON.stringify(job.json));
    assert.ok(job.json.links.self.startsWith(requests), job.json.links.self);
    assert.ok(job.json.events_url.startsWith('wss://app.example.com/'), job.json.events_url);
    await s.stop();
  }
});

test('the gateway answers preflights as the server does', { timeout: 30000 }, async (t) => {
  const s = await bulb(t, tempDir(t), ['--allow-origin', origin]);
  const r = await call('OPTIONS', `${s.url}/v1/jobs`, { headers: { origin, 'access-control-request-method': 'POST' } });
  const list = (name) => r.headers[`access-control-${name}`].toLowerCase().split(/, */).sort();
  const cors = resources('cluster.yaml').Api.CorsConfiguration;
  assert.deepEqual(cors.AllowHeaders.sort(), list('allow-headers'));
  assert.deepEqual(cors.AllowMethods.map((m) => m.toLowerCase()).sort(), list('allow-methods'));
  assert.deepEqual(cors.ExposeHeaders.sort(), list('expose-headers'));
  assert.equal(cors.MaxAge, Number(r.headers['access-control-max-age']));
  assert.deepEqual(cors.AllowOrigins, [origin]);
});

// ---- what AWS or good sense forbids -----------------------------------------------------------------

test('limits and times of AWS fit each other and bulb\'s', async () => {
  const r = resources('cluster.yaml');
  const lease = 60 * Number(/--dispatch-lease[\s\S]*?default (\d+)m/.exec((await run(['serve', '--help'])).out)?.[1] ?? 16);
  assert.ok(r.Work.Timeout <= 900 && r.Work.Timeout < lease, 'a lease outlives an invocation');
  assert.ok(r.WorkByEvent.MaximumEventAgeInSeconds <= lease && r.WorkByEvent.MaximumEventAgeInSeconds >= 60);
  assert.ok(r.WorkByEvent.MaximumRetryAttempts >= 1 && r.WorkByEvent.MaximumRetryAttempts <= 2);
  assert.ok(r.Ask.Timeout <= 30 && r.ApiToAsk.TimeoutInMillis <= 30000);
  assert.ok(r.JobQueue.VisibilityTimeout >= 6 * r.Ask.Timeout);
  assert.deepEqual(r.JobsFromQueue.FunctionResponseTypes, ['ReportBatchItemFailures']);
  assert.equal(r.JobQueue.RedrivePolicy.deadLetterTargetArn, r.WorkByEvent.DestinationConfig.OnFailure.Destination);
  assert.ok(r.GivenUp.MessageRetentionPeriod <= 1209600);
  for (const task of ['ServeTask', 'WorkTask']) assert.ok(container(task).StopTimeout <= 120 && container(task).StopTimeout > 25, 'Fargate waits 120 s at most');
  const memory = { 1024: [2048, 8192], 2048: [4096, 16384], 4096: [8192, 30720] };
  for (const [cpu, { MB }] of Object.entries(templates['cluster.yaml'].Mappings.WorkerMemory)) assert.ok(MB >= memory[cpu][0] && MB <= memory[cpu][1], cpu);
  assert.equal(r.SomethingGivenUp.Dimensions[0].Value, 'givenup.queuename');
});

test('nothing is public but the two doors, and what is kept is encrypted', () => {
  for (const b of everything('AWS::S3::Bucket')) {
    assert.deepEqual(Object.values(b.PublicAccessBlockConfiguration), [true, true, true, true], b.name);
    assert.ok(b.BucketEncryption && !b.AccessControl && !b.WebsiteConfiguration, b.name);
    assert.ok(!JSON.stringify(b.CorsConfiguration).includes('"*"'), b.name);
  }
  for (const p of everything('AWS::S3::BucketPolicy')) assert.deepEqual(p.PolicyDocument.Statement.map((s) => s.Effect), ['Deny']);
  for (const g of everything('AWS::EC2::SecurityGroup'))
    for (const i of g.SecurityGroupIngress) assert.ok(i.SourceSecurityGroupId || ([80, 443].includes(i.FromPort) && i.ToPort === i.FromPort), `${g.name} ${JSON.stringify(i)}`);
  const [db] = everything('AWS::RDS::DBInstance');
  assert.ok(db.PubliclyAccessible === false && db.StorageEncrypted && db.DeletionProtection && db.BackupRetentionPeriod >= 7);
  assert.match(db.MasterUserPassword, /^\{\{resolve:secretsmanager:/);
  for (const v of everything('AWS::EC2::Volume')) assert.ok(v.Encrypted);
  for (const q of everything('AWS::SQS::Queue')) assert.ok(q.SqsManagedSseEnabled, q.name);
  for (const l of everything('AWS::Logs::LogGroup')) assert.equal(l.RetentionInDays, 30, l.name);
  for (const l of everything('AWS::EC2::LaunchTemplate')) assert.equal(l.LaunchTemplateData.MetadataOptions.HttpTokens, 'required');
  for (const r of everything('AWS::IAM::Role'))
    for (const arn of r.ManagedPolicyArns ?? []) assert.match(arn, /\/(AmazonSSMManagedInstanceCore|AWSDataLifecycleManagerServiceRole)$/);
  for (const p of everything('AWS::Lambda::Permission')) assert.ok(p.SourceArn && p.Principal.endsWith('.amazonaws.com'), p.name);
  assert.doesNotMatch(resources('cluster.yaml').ApiStage.AccessLogSettings.Format, /path|query/i, 'tokens stand in queries');
  for (const name of Object.keys(templates)) assert.ok(statSync(path(name)).size <= 51200, 'larger ones must go by a bucket');
});

/** The instance's script in a folder of its own, with stand-ins for what is only there; what they were called with. */
function starts(t, { fails = 0, formatted = false } = {}) {
  const dir = tempDir(t), bin = join(dir, 'bin'), device = 'dev/disk/by-id/nvme-Amazon_Elastic_Block_Store_disk';
  for (const d of ['bin', 'etc/systemd/system', 'usr/local/bin', 'dev/disk/by-id']) mkdirSync(join(dir, d), { recursive: true });
  writeFileSync(join(dir, device), '');
  const stand = (name, body) => writeFileSync(join(bin, name), `#!/bin/bash\necho "${name} $*" >>${dir}/calls\n${body}\n`, { mode: 0o755 });
  for (const name of ['systemctl', 'mount', 'dnf', 'mkfs.xfs', 'install']) stand(name, '');
  stand('sleep', '');
  stand('aws', `[ $(grep -c "^aws $1 $2" ${dir}/calls) -gt ${fails} ]`);
  stand('cloud-init', 'echo i-new');
  stand('blkid', `exit ${formatted ? 0 : 2}`);
  const script = small().script.replaceAll(/(^|[\s"'=>])\/(etc|srv|usr\/local|dev\/disk)\//gm, `$1${dir}/$2/`);
  const r = spawnSync('bash', ['-c', script], { env: { PATH: `${bin}:${process.env.PATH}` }, encoding: 'utf8' });
  assert.equal(r.status, 0, r.stderr);
  return { calls: readFileSync(join(dir, 'calls'), 'utf8').replaceAll(`${dir}/`, '/').trim().split('\n'), dir, device: `/${device}` };
}

test('a new instance takes the address and the disk, and never formats one that has something on it', (t) => {
  const first = starts(t, { fails: 2 });
  const at = (what, from = first) => from.calls.findIndex((c) => c.startsWith(what));
  assert.equal(first.calls.filter((c) => c.startsWith('aws ec2 attach-volume --volume-id disk ')).length, 3, 'the old one still has it');
  assert.equal(first.calls.filter((c) => c.startsWith('aws ec2 associate-address')).length, 3);
  const order = ['aws ec2 attach-volume', `blkid ${first.device}`, `mkfs.xfs ${first.device}`, `mount -o noatime ${first.device} /srv/bulb`, 'systemctl enable --now docker', 'systemctl enable --now bulb caddy'].map((w) => at(w));
  assert.ok(order.every((x, i) => x >= 0 && (i === 0 || x > order[i - 1])), `${order} ${first.calls.join('\n')}`);
  assert.match(readFileSync(join(first.dir, 'etc/bulb.env'), 'utf8'), /^BULB_BLOB=s3:\/\/bucket\/pictures$/m);
  const second = starts(t, { formatted: true });
  assert.equal(at('mkfs', second), -1);
  assert.ok(at('mount -o noatime', second) > 0);
});

test('the script of the one instance is sound, as are the units that it writes', (t) => {
  const { script, files, env } = small();
  assert.ok(Buffer.byteLength(script) < 16384, 'the most that EC2 takes');
  const sound = (code) => spawnSync('bash', ['-n'], { input: code, encoding: 'utf8' }).stderr;
  assert.equal(sound(script), '');
  assert.doesNotMatch(script, /\$\{/, 'what CloudFormation would take for its own');
  for (const [name, content] of Object.entries(files)) if (content.startsWith('#!')) assert.equal(sound(content), '', name);
  const dir = tempDir(t);
  const units = Object.keys(files).filter((f) => f.endsWith('.service'));
  assert.equal(units.length, 2);
  for (const u of units) {
    const unit = files[u];
    assert.match(unit, /^ExecStart=\/usr\/bin\/docker run --rm /m);
    for (const volume of unit.matchAll(/--volume (\S+?):/g)) assert.match(script, new RegExp(volume[1].replace('/srv/caddy', '/srv/bulb/caddy')), volume[1]);
    writeFileSync(join(dir, u.split('/').pop()), unit.replaceAll('/usr/bin/docker', '/bin/true').replaceAll('/usr/local/bin/bulb-prepare', '/bin/true'));
  }
  const verify = spawnSync('systemd-analyze', ['verify', ...units.map((u) => join(dir, u.split('/').pop()))], { encoding: 'utf8' });
  if (!verify.error) assert.doesNotMatch(verify.stderr, /Unknown|Failed to parse|ignoring/, verify.stderr);
  assert.match(files['/usr/local/bin/bulb-prepare'], new RegExp(`>${env.BULB_ROOT_KEY_FILE}\n`));
});

test('docs/aws.md says what the templates ask for, and leads to what there is', () => {
  const doc = readFileSync(join(root, 'docs/aws.md'), 'utf8');
  const commands = [...doc.matchAll(/--template-file deploy\/aws\/(\w+\.yaml)([\s\S]*?)```/g)];
  assert.deepEqual(commands.map((m) => m[1]).sort(), Object.keys(templates).sort());
  for (const [, name, rest] of commands) {
    const { Parameters } = templates[name];
    const given = [...rest.matchAll(/\b([A-Z]\w+)=/g)].map((m) => m[1]);
    assert.deepEqual(given.sort(), Object.keys(Parameters).filter((p) => Parameters[p].Default === undefined).sort(), name);
  }
  const known = new Set(Object.values(templates).flatMap((t) => [...Object.keys(t.Parameters), ...Object.keys(t.Outputs), ...Object.keys(t.Resources)]));
  for (const [, p] of doc.matchAll(/`([A-Z][A-Za-z]+)=[^`]*`/g)) assert.ok(known.has(p) || p === 'MODELS', p);
  const anchors = [...doc.matchAll(/^#+ (.*)$/gm)].map((m) => m[1].toLowerCase().replace(/[^\w -]/g, '').replaceAll(' ', '-'));
  for (const [, file, anchor] of doc.matchAll(/\]\(([\w./-]*)(?:#([\w-]+))?\)/g)) {
    if (file) assert.ok(existsSync(join(root, 'docs', file)), file);
    else assert.ok(anchors.includes(anchor), `#${anchor}`);
  }
});

// ---- the image --------------------------------------------------------------------------------------

test('the image is the container\'s, with what RDS and the functions need', () => {
  const dockerfile = text('Dockerfile');
  assert.match(dockerfile, /^FROM \$\{BULB\}$/m);
  for (const [, file] of dockerfile.matchAll(/^COPY (?:--\S+ )*(\S+) /gm)) assert.ok(existsSync(join(root, file)), file);
  const [, pem] = /(\/\S+\.pem)$/m.exec(dockerfile);
  assert.ok(environment(container('ServeTask')).BULB_STORE.endsWith(`sslmode=verify-full&sslrootcert=${pem}`));
  assert.match(dockerfile, /^ENTRYPOINT \["bulb-on-aws"\]$/m);
  assert.match(dockerfile, /install [^\n]*curl/);
});

const secretKey = 'wJalrXUtnFEMI/K7MDENG+bPxRfiCYEXAMPLEKEY';
const keys = { AWS_ACCESS_KEY_ID: 'AKIDEXAMPLE', AWS_SECRET_ACCESS_KEY: secretKey, AWS_SESSION_TOKEN: 'session/token+1==', AWS_REGION: 'eu-west-1' };
const noCurl = spawnSync('curl', ['--version']).error && 'no curl';

/** A folder with bulb in it, for PATH. */
function withBulb(t) {
  const bin = tempDir(t);
  symlinkSync(bulbBin, join(bin, 'bulb'));
  return { PATH: `${bin}:${process.env.PATH}`, TMPDIR: bin };
}

async function secrets(t, answer) {
  const seen = [];
  const s = await httpServer(t, (c) => {
    const fault = signatureFault(c, secretKey, 'secretsmanager');
    seen.push({ fault, target: c.headers['x-amz-target'], token: c.headers['x-amz-security-token'], id: JSON.parse(c.body).SecretId });
    return fault ? { status: 400, body: { message: fault } } : answer;
  });
  return { url: s.url, seen };
}

test('on Lambda the key is fetched from Secrets Manager, used, and in no variable', { skip: noCurl, timeout: 60000 }, async (t) => {
  const key = 'bulb_queue0_0123456789abcdef0123456789abcdef';
  const vault = await secrets(t, { body: { ARN: 'arn:x', Name: 'queue', SecretString: key, VersionStages: ['AWSCURRENT'] } });
  const asked = [];
  const app = await httpServer(t, (c) => {
    asked.push(c);
    return { status: 202, body: { id: 'j1', status: 'queued' } };
  });
  const where = withBulb(t);
  const f = await lambda(t, { path: path('entrypoint'), command: [], env: { ...where, ...keys, KEY_SECRET: all.QueueKeySecret,
    AWS_ENDPOINT_URL_SECRETS_MANAGER: vault.url, BULB_SERVER: app.url } });
  const r = await f.invoke({ Records: [{ messageId: 'm1', eventSource: 'aws:sqs', body: JSON.stringify({ job: { urls: ['https://img.example.com/a.png'] } }) }] });
  assert.deepEqual(r.json, { batchItemFailures: [] }, f.log);
  assert.equal(asked[0].headers.authorization, `Bearer ${key}`);
  assert.deepEqual(vault.seen, [{ fault: null, target: 'secretsmanager.GetSecretValue', token: keys.AWS_SESSION_TOKEN, id: all.QueueKeySecret }]);
  const file = join(where.TMPDIR, 'bulb-key');
  assert.equal(statSync(file).mode & 0o777, 0o600);
  assert.ok(!readFileSync(`/proc/${f.pid}/environ`, 'utf8').includes(key) && !readFileSync(`/proc/${f.pid}/cmdline`, 'utf8').includes(key));
  assert.ok(!f.log.includes(key) && !f.log.includes(secretKey));
});

test('anywhere else the image runs what it is told, and a secret that is not there stops it', { skip: noCurl, timeout: 60000 }, async (t) => {
  const where = withBulb(t);
  const image = (args, env = {}) => new Promise((done) => {
    const p = spawn(path('entrypoint'), args, { env: { ...where, ...env } });
    let out = '';
    for (const s of [p.stdout, p.stderr]) s.on('data', (d) => (out += d));
    p.on('close', (code) => done({ out, code }));
  });
  const version = await image(['--version']);
  assert.equal(version.code, 0);
  assert.match(version.out, /^bulb /);
  const vault = await secrets(t, { status: 400, body: { __type: 'ResourceNotFoundException' } });
  const none = await image(['--version'], { ...keys, KEY_SECRET: 'arn:gone', AWS_ENDPOINT_URL_SECRETS_MANAGER: vault.url });
  assert.notEqual(none.code, 0);
  assert.match(none.out, /curl|no key/);
  const odd = await secrets(t, { body: { SecretBinary: 'AAAA' } });
  const binary = await image(['--version'], { ...keys, KEY_SECRET: 'arn:odd', AWS_ENDPOINT_URL_SECRETS_MANAGER: odd.url });
  assert.match(binary.out, /the secret arn:odd holds no key/);
});
