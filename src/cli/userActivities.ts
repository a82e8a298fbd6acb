/** Loads the module that the user's activities are in; TypeScript needs no build. */
import { createJiti } from 'jiti';
import { BadConfig } from '../domain/errors.js';

type Activities = Record<string, (...args: never[]) => unknown>;

export async function loadUserActivities(file: string | undefined): Promise<Activities> {
  if (file === undefined) return {};
  const exported = await load(file);
  const functions = Object.entries(exported).filter(([, value]) => typeof value === 'function');
  if (functions.length === 0) throw new BadConfig(`worker.activities: ${file} exports no function`);
  return Object.fromEntries(functions) as Activities;
}

async function load(file: string): Promise<Record<string, unknown>> {
  try {
    return await createJiti(import.meta.url).import(file);
  } catch (error) {
    throw new BadConfig(`worker.activities: ${file} can't be loaded: ${(error as Error).message}`, {
      cause: error,
    });
  }
}
