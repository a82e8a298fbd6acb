import { execFile } from 'node:child_process';
import { fileURLToPath } from 'node:url';
import { promisify } from 'node:util';
import { expect, it } from 'vitest';
import { typeScriptArguments } from '../../src/dev/ownScript.js';

it('npm run endings with a word that no ending has in its name fails, and says which there are', async () => {
  const script = fileURLToPath(new URL('./main.ts', import.meta.url));
  const run = promisify(execFile)(process.execPath, [...typeScriptArguments(), script, 'typo']);
  await expect(run).rejects.toMatchObject({
    code: 1,
    stderr: expect.stringMatching(/^No ending has "typo" in its name\. They are:\n {2}success\n/) as string,
  });
});
