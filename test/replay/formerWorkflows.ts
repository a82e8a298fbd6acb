/** A pipeline that later workers do not have any more. */
import { twoSteps } from './workflows.js';

export async function former(file: string): Promise<string> {
  return twoSteps(file);
}
