// Says at the end of a long output which tests failed, and why, and how many there were: `tests: N passed, …`.
import { readFileSync } from 'node:fs';
import { relative } from 'node:path';

const run = JSON.parse(readFileSync(process.argv[2], 'utf8'));

// A file that does not even load has no failed test, and has failed nevertheless.
const unloaded = run.testResults.filter(
  ({ status, assertionResults }) => status === 'failed' && assertionResults.length === 0,
);

const failures = [
  ...unloaded.map((file) => ({ file: file.name, name: 'did not load', why: file.message })),
  ...run.testResults.flatMap((file) =>
    file.assertionResults
      .filter(({ status }) => status === 'failed')
      .map((test) => ({ file: file.name, name: test.fullName, why: test.failureMessages.join('\n') })),
  ),
];
for (const { file, name, why } of failures) {
  const lines = why.split('\n').map((line) => `  ${line}`);
  console.log(`FAILED ${relative(process.cwd(), file)}: ${name}\n${lines.slice(0, 25).join('\n')}\n`);
}

const skipped = run.numPendingTests + run.numTodoTests;
console.log(
  `tests: ${run.numPassedTests} passed, ${failures.length} failed` +
    (skipped > 0 ? `, ${skipped} skipped` : ''),
);
