/** Reads the configuration file: YAML in, plain data out. What the data means is decided in `config.ts`. */
import { readFileSync } from 'node:fs';
import { LineCounter, parseDocument } from 'yaml';
import { BadConfig } from './domain/errors.js';
import { redact } from './domain/redact.js';

export const DEFAULT_CONFIG_FILE = 'batchtrail.yaml';

/** The file's data, or undefined when there is no file and nobody asked for one. */
export function readConfigFile(file: string, required: boolean): unknown {
  const source = readText(file, required);
  return source === undefined ? undefined : parseYaml(source, file);
}

function readText(file: string, required: boolean): string | undefined {
  try {
    return readFileSync(file, 'utf8');
  } catch (error) {
    const { code } = error as NodeJS.ErrnoException;
    if (code === 'ENOENT' && !required) return undefined;
    const state = code === 'ENOENT' ? 'there is no such file' : `the file can't be read (${code})`;
    throw new BadConfig(`${file}: ${state}`, { cause: error });
  }
}

function parseYaml(source: string, file: string): unknown {
  const lineCounter = new LineCounter();
  // Pretty errors quote the faulty lines, and those may hold a password.
  const document = parseDocument(source, { prettyErrors: false, lineCounter });
  const error = document.errors[0];
  if (error) {
    const { line, col } = lineCounter.linePos(error.pos[0]);
    throw new BadConfig(`${file}:${line}:${col}: ${redact(error.message)}`);
  }
  try {
    return document.toJS();
  } catch (error) {
    // Aliases are resolved only here, and their errors know no position.
    throw new BadConfig(`${file}: ${redact((error as Error).message)}`, { cause: error });
  }
}
