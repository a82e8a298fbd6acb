/** Loads the modules that the user's configuration names; TypeScript needs no build. */
import type { DataConverter } from '@temporalio/common';
import { createJiti } from 'jiti';
import { BadConfig } from '../domain/errors.js';

type Activities = Record<string, (...args: never[]) => unknown>;

export async function loadUserActivities(file: string | undefined): Promise<Activities> {
  if (file === undefined) return {};
  const exported = await load('worker.activities', file);
  const functions = Object.entries(exported).filter(([, value]) => typeof value === 'function');
  if (functions.length === 0) throw new BadConfig(`worker.activities: ${file} exports no function`);
  return Object.fromEntries(functions) as Activities;
}

/** As an option of workers and clients. */
export async function loadDataConverter(
  file: string | undefined,
): Promise<{ dataConverter?: DataConverter }> {
  if (file === undefined) return {};
  const { dataConverter } = await load('worker.dataConverter', file);
  if (typeof dataConverter !== 'object' || dataConverter === null) {
    throw new BadConfig(
      `worker.dataConverter: ${file} exports no dataConverter. Write: export const dataConverter = { payloadCodecs: [...] }`,
    );
  }
  return { dataConverter };
}

async function load(key: string, file: string): Promise<Record<string, unknown>> {
  try {
    return await createJiti(import.meta.url).import(file);
  } catch (error) {
    throw new BadConfig(`${key}: ${file} can't be loaded: ${(error as Error).message}`, { cause: error });
  }
}
