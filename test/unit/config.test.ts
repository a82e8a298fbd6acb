import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join, resolve } from 'node:path';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { checkOptions, loadConfig, secretsOf } from '../../src/config.js';
import { BadConfig } from '../../src/domain/errors.js';

let folder: string;
const startFolder = process.cwd();

beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), 'batchtrail-config-'));
  process.chdir(folder);
});

afterEach(() => {
  process.chdir(startFolder);
  rmSync(folder, { recursive: true });
});

function write(yaml: string, name = 'batchtrail.yaml'): string {
  writeFileSync(join(folder, name), yaml);
  return join(folder, name);
}

/** The message of the BadConfig that loading ends with. */
function complaint(env: Record<string, string> = {}, named?: string): string {
  try {
    loadConfig(named, env);
  } catch (error) {
    expect(error).toBeInstanceOf(BadConfig);
    return (error as Error).message;
  }
  throw new Error('the configuration was accepted');
}

describe('loadConfig', () => {
  it('has defaults when nothing is configured', () => {
    expect(loadConfig(undefined, {})).toEqual({
      audit: { url: `sqlite:${resolve('.batchtrail')}`, outbox: resolve('.batchtrail/outbox.db') },
      connections: {},
      worker: { taskQueue: 'etl' },
      temporal: {},
    });
  });

  it('counts relative paths from the file, wherever it is read from', () => {
    const file = write(`
      audit: { url: "sqlite:./audit", schema: Trail }
      connections:
        erp: { url: "sqlite:erp" }
        dwh: { url: "postgres://host/dwh", scripts: ./sql }
      worker: { taskQueue: nightly, workflowsPath: ./workflows.ts, activities: ../activities.ts, dataConverter: ./converter.ts }
      temporal: { ui: "https://temporal.example/ui/" }
    `);
    process.chdir(startFolder);
    expect(loadConfig(file, {})).toEqual({
      audit: {
        url: `sqlite:${join(folder, 'audit')}`,
        schema: 'Trail',
        outbox: join(folder, 'audit/outbox.db'),
      },
      connections: {
        erp: { url: `sqlite:${join(folder, 'erp')}` },
        dwh: { url: 'postgres://host/dwh', scripts: join(folder, 'sql') },
      },
      worker: {
        taskQueue: 'nightly',
        workflowsPath: join(folder, 'workflows.ts'),
        activities: resolve(folder, '../activities.ts'),
        dataConverter: join(folder, 'converter.ts'),
      },
      temporal: { ui: 'https://temporal.example/ui' },
    });
  });

  it('leaves absolute paths and URLs that name no folder as they are', () => {
    write(
      'connections: { a: { url: "sqlite:/data/x" }, b: { url: "sqlite:///data/y" }, c: { url: "sqlite::memory:" } }',
    );
    const { connections } = loadConfig(undefined, {});
    expect(Object.values(connections).map(({ url }) => url)).toEqual([
      `sqlite:${resolve('/data/x')}`,
      'sqlite:///data/y',
      'sqlite::memory:',
    ]);
  });

  it('takes the audit from BATCHTRAIL_AUDIT_URL, relative to the current folder', () => {
    write('audit: { url: "${UNSET}", schema: Trail }');
    expect(loadConfig(undefined, { BATCHTRAIL_AUDIT_URL: 'sqlite:./other' }).audit).toEqual({
      url: `sqlite:${resolve('other')}`,
      schema: 'Trail',
      outbox: resolve('other/outbox.db'),
    });
  });

  it('keeps the outbox in the folder of a SQLite audit, else beside the file, else where it is told to', () => {
    const outboxOf = (audit: string): string => {
      write(`audit: ${audit}`);
      return loadConfig(undefined, {}).audit.outbox;
    };
    expect(outboxOf('{ url: "sqlite:///data/audit" }')).toBe(resolve('/data/audit/outbox.db'));
    expect(outboxOf('{ url: "postgres://db/x" }')).toBe(join(folder, '.batchtrail/outbox.db'));
    expect(outboxOf('{ url: "postgres://db/x", outbox: ./kept/waiting.db }')).toBe(
      join(folder, 'kept/waiting.db'),
    );
    const env = { BATCHTRAIL_OUTBOX: 'on/a/volume.db' };
    expect(loadConfig(undefined, env).audit.outbox).toBe(resolve('on/a/volume.db'));
  });

  it('reads the file that the caller names, before the one in BATCHTRAIL_CONFIG', () => {
    write('worker: { taskQueue: fromEnvironment }', 'a.yaml');
    write('worker: { taskQueue: fromCaller }', 'b.yaml');
    const env = { BATCHTRAIL_CONFIG: 'a.yaml' };
    expect(loadConfig(undefined, env).worker.taskQueue).toBe('fromEnvironment');
    expect(loadConfig('b.yaml', env).worker.taskQueue).toBe('fromCaller');
  });

  it('replaces ${NAME} by the environment, inside a text, too', () => {
    write('connections: { erp: { url: "postgres://etl:${PW}@${HOST}/erp" } }');
    const { connections } = loadConfig(undefined, { PW: 'a: "b"', HOST: 'db' });
    expect(connections.erp?.url).toBe('postgres://etl:a: "b"@db/erp');
  });

  it.each([{}, { ERP_URL: '' }])(
    'names the variable that is missing, and the key that needs it (%j)',
    (env) => {
      write('connections: { erp: { url: "${ERP_URL}" } }');
      expect(complaint(env as Record<string, string>)).toBe(
        'batchtrail.yaml: config.connections.erp.url needs the environment variable ERP_URL, which is not set',
      );
    },
  );

  it.each([
    [
      'audti: { url: x }',
      'batchtrail.yaml: config has the unknown key "audti". Known keys: audit, connections, worker, temporal',
    ],
    [
      'temporal: { ui: "temporal.example:8233" }',
      'batchtrail.yaml: config.temporal.ui must be an address like http://localhost:8233, not "temporal.example:8233"',
    ],
    [
      'audit: { outbx: x }',
      'batchtrail.yaml: config.audit has the unknown key "outbx". Known keys: url, schema, outbox, strict, inputs',
    ],
    ['audit: { strict: "yes" }', 'config.audit.strict must be true or false, not "yes"'],
    ['connections: { erp: { script: x } }', 'config.connections.erp has the unknown key "script"'],
    ['worker: { taskQueue: 5 }', 'config.worker.taskQueue must be a text, not 5'],
    ['connections: { erp: {} }', 'config.connections.erp.url must be a text, not nothing'],
    ['connections: [erp]', 'config.connections must be a set of names with values, not ["erp"]'],
    ['just a text', 'config must be an object with audit, connections, worker, temporal, not "just a text"'],
  ])('refuses %s', (yaml, message) => {
    write(yaml);
    expect(complaint()).toContain(message);
  });

  it('takes an empty file as no settings', () => {
    write('# nothing yet\n');
    expect(loadConfig(undefined, {}).worker.taskQueue).toBe('etl');
  });

  it('says where a file is no YAML, without quoting it', () => {
    write('audit:\n  url: "postgres://etl:s3cret@db/x\n');
    expect(complaint()).toMatch(/^batchtrail\.yaml:3:1: Missing closing/);
    expect(complaint()).not.toContain('s3cret');
  });

  it('refuses a key that stands there twice, and an alias without an anchor', () => {
    write('worker:\n  taskQueue: a\nworker:\n  taskQueue: b\n');
    expect(complaint()).toBe('batchtrail.yaml:3:1: Map keys must be unique');
    write('worker: *nothing');
    expect(complaint()).toMatch(/^batchtrail\.yaml: Unresolved alias/);
  });

  it('refuses a named file that is not there', () => {
    expect(complaint({}, 'missing.yaml')).toBe('missing.yaml: there is no such file');
    expect(complaint({ BATCHTRAIL_CONFIG: 'gone.yaml' })).toBe('gone.yaml: there is no such file');
  });

  it('keeps the password of a misplaced URL out of its error', () => {
    write('audit: "postgres://etl:s3cret@db/x"');
    expect(complaint()).toContain('postgres://etl:***@db/x');
  });

  it('is frozen all the way down', () => {
    write('connections: { erp: { url: "sqlite:erp" } }');
    const config = loadConfig(undefined, {});
    for (const part of [config, config.audit, config.connections, config.connections.erp, config.worker]) {
      expect(Object.isFrozen(part)).toBe(true);
    }
  });
});

describe('checkOptions', () => {
  it('counts sqlite folders and scripts from the current folder', () => {
    const options = { audit: { url: 'sqlite:a' }, connections: { dwh: { url: 'sqlite:b', scripts: 'sql' } } };
    expect(checkOptions(options, 'BatchtrailPlugin')).toEqual({
      audit: { url: `sqlite:${resolve('a')}`, outbox: resolve('a/outbox.db') },
      connections: { dwh: { url: `sqlite:${resolve('b')}`, scripts: resolve('sql') } },
    });
  });

  it('leaves the options it was given alone', () => {
    const options = { audit: { url: 'sqlite:a' } };
    checkOptions(options, 'BatchtrailPlugin');
    expect(options).toEqual({ audit: { url: 'sqlite:a' } });
    expect(Object.isFrozen(options)).toBe(false);
  });

  it('does not read the environment: a password may look like ${NAME}', () => {
    const url = 'postgres://etl:${PATH}@db/x';
    expect(checkOptions({ audit: { url } }, 'BatchtrailPlugin').audit.url).toBe(url);
  });

  it.each([
    [undefined, 'BatchtrailPlugin must be an object with audit, connections, not nothing'],
    [{}, 'BatchtrailPlugin.audit must be an object with url, schema, outbox, strict, inputs, not nothing'],
    [{ audit: {} }, 'BatchtrailPlugin.audit.url must be a text, not nothing'],
    [{ audit: { url: 'sqlite:a' }, strict: true }, 'BatchtrailPlugin has the unknown key "strict"'],
    [{ audit: { url: 'sqlite:a' }, worker: {} }, 'BatchtrailPlugin has the unknown key "worker"'],
  ])('refuses %j', (options, message) => {
    expect(() => checkOptions(options, 'BatchtrailPlugin')).toThrow(BadConfig);
    expect(() => checkOptions(options, 'BatchtrailPlugin')).toThrow(message);
  });
});

describe('secretsOf', () => {
  const secretsIn = (url: string): string[] =>
    secretsOf({ audit: { url: 'sqlite:a' }, connections: { x: { url } } });

  it.each([
    ['postgres://etl:s3cret@db/x', ['s3cret']],
    ['postgres://etl:p%40ss@db/x?a=b@c', ['p%40ss', 'p@ss']],
    ['postgres://etl:p@ss@db/x', ['p@ss']],
    ['postgres://etl:p/a#s?s@db/x', ['p/a#s?s']],
    ['postgres://etl:100%@db/x', ['100%']],
    ['postgres://:token@db/x', ['token']],
    ['postgres://db/x?user=etl&password=s%21&y=1', ['s%21', 's!']],
    ['postgres://db:5432/x', []],
    ['postgres://etl:@db/x', []],
    ['sqlite:/data/a', []],
  ])('%s', (url, secrets) => {
    expect(secretsIn(url)).toEqual(secrets);
  });

  it('looks at the audit, too, and says nothing twice', () => {
    const url = 'postgres://etl:s3cret@db/x';
    expect(secretsOf({ audit: { url }, connections: { dwh: { url } } })).toEqual(['s3cret']);
  });
});
