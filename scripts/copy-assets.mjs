// tsc does not copy SQL files; the built package needs them where the code looks for them.
import { cpSync } from 'node:fs';

cpSync('src', 'dist', {
  recursive: true,
  filter: (path) => !/\.[cm]?tsx?$|tsconfig\.json$/.test(path),
});
