// Does the package work for somebody who installs it? Packs it, installs the tarball into an empty project, and audits
// a workflow there. The packing builds; the built package finds the Temporal server.
import assert from 'node:assert/strict';
import { execFile } from 'node:child_process';
import {
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  realpathSync,
  rmSync,
  writeFileSync,
} from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath, pathToFileURL } from 'node:url';
import { promisify } from 'node:util';

const root = fileURLToPath(new URL('..', import.meta.url));
const { name, version } = JSON.parse(readFileSync(join(root, 'package.json'), 'utf8'));
const temporary = realpathSync(mkdtempSync(join(tmpdir(), 'batchtrail-package-')));
const project = join(temporary, 'project');
const installed = join(project, 'node_modules', name);
const minutes = (count) => count * 60_000;

process.on('exit', () => rmSync(temporary, { recursive: true, force: true, maxRetries: 5 }));
for (const signal of ['SIGINT', 'SIGTERM']) process.once(signal, () => process.exit(1));

if ((await check('the package packs', pack)) && (await check('it installs into an empty project', install))) {
  await check('it has every file that it needs and no other', compareFiles);
  await check('its command runs', runCommand);
  await check('its types are there', checkTypes);
  await check('it audits a workflow, and moves a table', runWorkflows);
}

async function check(title, work) {
  const start = Date.now();
  const say = (result) => console.log(`${result}: ${title} (${((Date.now() - start) / 1000).toFixed(1)} s)`);
  try {
    await work();
    say('ok');
    return true;
  } catch (error) {
    say('FAILED');
    console.log(error.message.replace(/^/gm, '  '));
    process.exitCode = 1;
    return false;
  }
}

async function pack() {
  await npm(root, 'pack', '--pack-destination', temporary);
}

async function install() {
  mkdirSync(project);
  // As the README tells users: SQLite's driver has an install script.
  write(
    'package.json',
    JSON.stringify({ private: true, type: 'module', allowScripts: { 'better-sqlite3': true } }),
  );
  const tarball = readdirSync(temporary).find((file) => file.endsWith('.tgz'));
  await npm(project, 'install', join(temporary, tarball));
}

/** What is installed is what was packed. Files of earlier builds would be packed, too, so dist is compared both ways. */
function compareFiles() {
  const packed = filesIn(installed);
  const built = filesIn(join(root, 'src'))
    .filter((file) => !file.endsWith('tsconfig.json'))
    .flatMap((file) => {
      const stem = /^(.+)\.ts$/.exec(file)?.[1];
      return stem ? [`${stem}.js`, `${stem}.js.map`, `${stem}.d.ts`] : [file];
    })
    .map((file) => `dist/${file}`);
  const needed = [...built, 'LICENSE', 'README.md', 'package.json'];
  const isWelcome = (file) => needed.includes(file) || file === 'CHANGELOG.md' || file.startsWith('docs/');
  const missing = needed.filter((file) => !packed.includes(file));
  const surplus = packed.filter((file) => !isWelcome(file));
  const lacksSql = !built.some((file) => file.endsWith('.sql'));
  const faults = [
    ...missing.map((file) => `missing: ${file}`),
    ...surplus.map((file) => `not from src: ${file} (remove dist and build again?)`),
    ...(lacksSql ? ['src has no .sql files, so nothing says that they are packed'] : []),
  ];
  if (faults.length > 0) throw new Error(faults.join('\n'));
}

async function runCommand() {
  assert.equal(await batchtrail('--version'), `${version}\n`);
}

async function checkTypes() {
  write(
    'uses.ts',
    `import { BatchtrailPlugin, type PipelineLog } from 'batchtrail';
     import { logStep } from 'batchtrail/workflow';
     import * as workflows from 'batchtrail/workflows';
     export const plugin = new BatchtrailPlugin({ audit: { url: 'sqlite:./.batchtrail' } });
     export const status: PipelineLog['Status'] = 'Success';
     export const name: keyof typeof workflows = 'northwindSalesElt';
     logStep('check', { message: 'looks fine', status: 'warning' });
     // Errors, unless the types were not found and are any:
     // @ts-expect-error
     new BatchtrailPlugin({ audit: {} });
     // @ts-expect-error
     export const noStatus: PipelineLog['Status'] = 'Fine';
     // @ts-expect-error
     export const noName: keyof typeof workflows = 'none';
     // @ts-expect-error
     logStep(1);`,
  );
  const compiler = join(root, 'node_modules/typescript/bin/tsc');
  const types = ['--types', 'node', '--typeRoots', join(root, 'node_modules/@types')];
  const options = ['--noEmit', '--strict', '--skipLibCheck', '--target', 'es2022', '--module', 'nodenext'];
  await run(project, [compiler, ...options, ...types, 'uses.ts']);
}

async function runWorkflows() {
  const { startDevServer } = await import(pathToFileURL(join(root, 'dist/dev/devServer.js')).href);
  write(
    'workflows.js',
    `import { proxyActivities } from '@temporalio/workflow';
     import { logStep } from 'batchtrail/workflow';
     export * from 'batchtrail/workflows';
     const { loadOrders } = proxyActivities({ startToCloseTimeout: '10 s' });
     export async function orders() {
       logStep('check', { message: 'about to load' });
       return loadOrders();
     }`,
  );
  mkdirSync(join(project, 'shop'));
  write('shop/customers.csv', 'name\nAda\nBoris\n');
  write(
    'worker.js',
    `import { fileURLToPath } from 'node:url';
     import { Client, Connection } from '@temporalio/client';
     import { NativeConnection, Worker } from '@temporalio/worker';
     import { BatchtrailPlugin } from 'batchtrail';
     const address = process.argv[2];
     const connection = await NativeConnection.connect({ address });
     const worker = await Worker.create({
       connection,
       taskQueue: 'orders',
       workflowsPath: fileURLToPath(new URL('./workflows.js', import.meta.url)),
       activities: { loadOrders: async () => ({ rowsProcessed: 3 }) },
       plugins: [new BatchtrailPlugin({
         audit: { url: 'sqlite:./.batchtrail' },
         connections: { files: { url: 'file:.' }, dwh: { url: 'sqlite:./dwh' } },
       })],
     });
     const client = new Client({ connection: await Connection.connect({ address }) });
     const execute = (type, input) =>
       client.workflow.execute(type, { taskQueue: 'orders', workflowId: type, args: [input] });
     const places = { source: 'files', staging: 'files', target: 'dwh' };
     const tables = [{ from: 'shop.customers', to: 'DWH.Customers' }];
     await worker.runUntil(async () => {
       await execute('orders', { pipeline: 'Orders_Load' });
       await execute('historicalTransfer', { ...places, tables, mode: 'append' });
     });
     await client.connection.close();
     await connection.close();`,
  );
  const server = await startDevServer({ report: (line) => console.log(`  ${line}`) });
  try {
    await run(project, ['worker.js', server.address]);
  } finally {
    await server.stop();
  }
  const batches = JSON.parse(await batchtrail('batches', '--json'));
  const seen = batches.map((batch) => [batch.PipelineName, batch.Status, batch.RowsProcessed]);
  assert.deepEqual(seen, [
    ['historicalTransfer', 'Success', 2],
    ['Orders_Load', 'Success', 3],
  ]);
  const { events } = JSON.parse(await batchtrail('show', String(batches[1].LogID), '--json'));
  const steps = events.map(({ StepName, EventType }) => `${StepName} ${EventType}`);
  assert.deepEqual(steps.sort(), ['check info', 'loadOrders start', 'loadOrders success']);
}

function write(file, text) {
  writeFileSync(join(project, file), text);
}

function filesIn(folder) {
  return readdirSync(folder, { recursive: true, withFileTypes: true })
    .filter((entry) => entry.isFile())
    .map((entry) =>
      join(entry.parentPath, entry.name)
        .slice(folder.length + 1)
        .replaceAll('\\', '/'),
    );
}

/** `npx batchtrail …`, which must find the installed command and fetch none. */
function batchtrail(...args) {
  return npm(project, 'exec', '--no', '--', name, ...args);
}

/** The npm that runs this script, without a shell, which Windows would need for npm.cmd. */
function npm(folder, ...args) {
  const { npm_execpath } = process.env;
  assert.ok(npm_execpath, 'Run this by npm: npm run check:package');
  return run(folder, [npm_execpath, ...args]);
}

/** Runs a script with Node as somebody would who knows nothing of this project; answers its standard output. */
async function run(folder, args) {
  const foreign =
    /^(npm_package_|npm_lifecycle_|npm_config_local_prefix$|INIT_CWD$|NODE_PATH$|TEMPORAL_|BATCHTRAIL_)/;
  const env = Object.fromEntries(Object.entries(process.env).filter(([variable]) => !foreign.test(variable)));
  try {
    const { stdout } = await promisify(execFile)(process.execPath, args, {
      ...{ cwd: folder, env, timeout: minutes(10), maxBuffer: 2 ** 26 },
    });
    return stdout;
  } catch (error) {
    throw new Error([error.message, error.stdout].join('\n'), { cause: error });
  }
}
