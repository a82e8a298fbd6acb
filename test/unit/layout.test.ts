/** Which folder may import what is written in eslint.config.js; here each row of it has to bite. */
import { ESLint } from 'eslint';
import tseslint from 'typescript-eslint';
import { describe, expect, it } from 'vitest';

const eslint = new ESLint({
  // The files below do not exist, so they have no types. What is tested needs none.
  overrideConfig: tseslint.configs.disableTypeChecked,
});

/** The rules of our own that the code breaks, in a file of that name. */
async function broken(filePath: string, code: string): Promise<Array<string | null>> {
  const [result] = await eslint.lintText(code, { filePath });
  const { fatalErrorCount = 0, messages = [] } = result ?? {};
  if (fatalErrorCount > 0) throw new Error(`${code}: ${messages[0]?.message}`);
  return messages.map(({ ruleId }) => ruleId).filter((id) => id === null || id.startsWith('batchtrail/'));
}

const LAYERS = ['batchtrail/layers'];

interface Row {
  readonly file: string;
  readonly allowed: readonly string[];
  readonly forbidden: readonly string[];
}

const ROWS: readonly Row[] = [
  {
    file: 'src/domain/thing.ts',
    allowed: [`import './model.js'`],
    forbidden: [
      `import '../audit/recorder.js'`,
      `import type { A } from '../interceptors/protocol.js'`,
      `import 'node:fs'`,
      `import '@temporalio/common'`,
    ],
  },
  {
    file: 'src/workflows/deep/thing.ts',
    allowed: [
      `import '../../domain/model.js'`,
      `import '../../interceptors/protocol.js'`,
      `import '../other.js'`,
      `import '@temporalio/workflow'`,
      `import '@temporalio/common'`,
    ],
    forbidden: [
      `import '../../index.js'`,
      `import type { A } from '../../activities/index.js'`,
      `let a: import('../../activities/index.js').A`,
      `export * from '../../engines/contract.js'`,
      `import '../../interceptors/sinks.js'`,
      `import '@temporalio/activity'`,
      `import '@temporalio/common/lib/internal-non-workflow/index.js'`,
      `import 'node:path'`,
      `import 'path'`,
      `void import('yaml')`,
    ],
  },
  {
    file: 'src/workflow.ts',
    allowed: [`import './interceptors/runState.js'`, `import './domain/errors.js'`],
    forbidden: [
      `import './interceptors/workflow.js'`,
      `import './index.js'`,
      `import './audit/batchScope.js'`,
      `import './workflows/index.js'`,
    ],
  },
  {
    file: 'src/interceptors/workflow.ts',
    allowed: [`import './protocol.js'`, `import './runState.js'`, `import '@temporalio/workflow'`],
    forbidden: [`import './activity.js'`, `import '../audit/eventID.js'`, `import '@temporalio/worker'`],
  },
  {
    file: 'src/interceptors/protocol.ts',
    allowed: [`import '../domain/model.js'`],
    forbidden: [`import './workflow.js'`, `import '../engines/contract.js'`],
  },
  {
    file: 'src/interceptors/sinks.ts',
    allowed: [
      `import './protocol.js'`,
      `import '../audit/auditor.js'`,
      `import '../engines/contract.js'`,
      `import '@temporalio/worker'`,
      `import type { WorkflowInfo } from '@temporalio/workflow'`,
    ],
    forbidden: [
      `import './workflow.js'`,
      `import './runState.js'`,
      `import '@temporalio/workflow'`,
      `import '../activities/index.js'`,
      `import '../engines/index.js'`,
      `import '../plugin.js'`,
    ],
  },
  {
    file: 'src/audit/thing.ts',
    allowed: [
      `import './recorder.js'`,
      `import '../engines/contract.js'`,
      `import '../interceptors/protocol.js'`,
      `import 'node:crypto'`,
      `import '@temporalio/client'`,
    ],
    forbidden: [
      `import '../engines/sqlite/connect.js'`,
      `import '../engines/index.js'`,
      `import '../interceptors/activity.js'`,
      `import '../config.js'`,
      `import 'better-sqlite3'`,
    ],
  },
  {
    file: 'src/activities/thing.ts',
    allowed: [
      `import '../engines/index.js'`,
      `import '../audit/batchScope.js'`,
      `import '@temporalio/activity'`,
    ],
    forbidden: [
      `import '../engines/sqlite/index.js'`,
      `import '../workflows/index.js'`,
      `import '../interceptors/activity.js'`,
      `import '../cli/text.js'`,
    ],
  },
  {
    file: 'src/engines/contract.ts',
    allowed: [`import '../domain/model.js'`],
    forbidden: [`import './index.js'`, `import './sqlite/index.js'`, `import '../audit/recorder.js'`],
  },
  {
    file: 'src/engines/transferContract.ts',
    allowed: [`import '../domain/table.js'`, `import type { Readable } from 'node:stream'`],
    forbidden: [`import { Readable } from 'node:stream'`, `import './sqlite/index.js'`],
  },
  {
    file: 'src/engines/index.ts',
    allowed: [`import './contract.js'`, `void import('./sqlite/index.js')`],
    forbidden: [`import './sqlite/connect.js'`, `import 'better-sqlite3'`],
  },
  {
    file: 'src/engines/sqlite/thing.ts',
    allowed: [
      `import '../contract.js'`,
      `import './connect.js'`,
      `import '../../ownScript.js'`,
      `import 'node:fs'`,
      `import type Database from 'better-sqlite3'`,
      `void import('better-sqlite3')`,
    ],
    forbidden: [
      `import 'better-sqlite3'`,
      `import '../postgres/connect.js'`,
      `import '../index.js'`,
      `import '../../audit/recorder.js'`,
      `import '@temporalio/common'`,
      `import 'mssql'`,
    ],
  },
  {
    file: 'src/ownScript.ts',
    allowed: [`import './moduleFile.js'`],
    forbidden: [`import './plugin.js'`, `import './dev/devServer.js'`],
  },
  {
    file: 'src/plugin.ts',
    allowed: [
      `import './config.js'`,
      `import './audit/auditor.js'`,
      `import './interceptors/sinks.js'`,
      `import './engines/index.js'`,
      `import './activities/index.js'`,
    ],
    forbidden: [
      `import './interceptors/workflow.js'`,
      `import './workflows/index.js'`,
      `import './workflow.js'`,
      `import './engines/sqlite/index.js'`,
      `import './cli/program.js'`,
      `import './dev/devServer.js'`,
    ],
  },
  {
    file: 'src/config.ts',
    allowed: [`import './domain/shape.js'`, `import './configFile.js'`, `import 'yaml'`],
    forbidden: [`import './plugin.js'`, `import './cli/text.js'`, `import './workflows/index.js'`],
  },
  {
    file: 'src/cli/thing.ts',
    allowed: [
      `import '../plugin.js'`,
      `import '../dev/devServer.js'`,
      `import '../engines/index.js'`,
      `import 'commander'`,
      `import '@temporalio/client'`,
    ],
    forbidden: [
      `import '../workflows/index.js'`,
      `import '../dashboard/server.js'`,
      `import 'vitest'`,
      `import 'long'`,
    ],
  },
  {
    file: 'src/dev/thing.ts',
    allowed: [`import '../domain/errors.js'`, `import '../engines/sqlite/connect.js'`],
    forbidden: [`import '../cli/program.js'`, `import '../interceptors/workflow.js'`],
  },
  {
    file: 'test/chaos/checker/thing.ts',
    allowed: [
      `import './finding.js'`,
      `import '../journal.js'`,
      `import '@temporalio/client'`,
      `import proto from '@temporalio/proto'`,
      `import 'better-sqlite3'`,
      `import 'pg'`,
      `import 'node:fs'`,
    ],
    forbidden: [
      `import '../../../src/domain/stepID.js'`,
      `import type { PipelineEvent } from '../../../src/domain/model.js'`,
      `void import('../../../src/index.js')`,
      `import 'batchtrail'`,
      `import '../system.js'`,
      `import '../../support/rows.js'`,
    ],
  },
  {
    file: 'test/chaos/journal.ts',
    allowed: [`import 'node:fs'`],
    forbidden: [`import '../../src/domain/time.js'`, `import './worker.js'`],
  },
  {
    file: 'src/newFolder/thing.ts',
    allowed: [],
    forbidden: [`import '../domain/model.js'`],
  },
];

describe.each(ROWS)('$file', ({ file, allowed, forbidden }) => {
  it.each(allowed)('may: %s', async (code) => {
    expect(await broken(file, code)).toEqual([]);
  });
  it.each(forbidden)('may not: %s', async (code) => {
    expect(await broken(file, code)).toEqual(LAYERS);
  });
});

it.each(['test/unit/thing.test.ts', 'test/chaos/thing.ts', 'bench/thing.ts'])(
  '%s may import anything of src',
  async (file) => {
    expect(await broken(file, `import '../../src/cli/text.js'; import '../src/workflows/index.js'`)).toEqual(
      [],
    );
  },
);

describe('any', () => {
  it('has no place in src', async () => {
    const [result] = await eslint.lintText('export const a = 1 as any;', { filePath: 'src/domain/thing.ts' });
    expect(result?.messages.map(({ ruleId }) => ruleId)).toEqual(['@typescript-eslint/no-explicit-any']);
  });
});

describe('a rule that is switched off', () => {
  it.each([
    'debugger; // eslint-disable-line no-debugger',
    '// eslint-disable-next-line no-debugger\ndebugger;',
    '/* eslint-disable */\ndebugger;',
    '/* eslint-disable no-debugger -- */\ndebugger;',
  ])('must say why: %j', async (code) => {
    expect(await broken('src/domain/thing.ts', code)).toContain('batchtrail/described-disable');
  });

  it('is fine when it does', async () => {
    const code = '// eslint-disable-next-line no-debugger -- shows how it is done\ndebugger;';
    expect(await broken('src/domain/thing.ts', code)).not.toContain('batchtrail/described-disable');
  });
});
