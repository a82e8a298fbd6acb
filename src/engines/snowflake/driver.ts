import type snowflake from 'snowflake-sdk';
import { loadDriver } from '../shared/driver.js';

export type Driver = typeof snowflake;

let loading: Promise<Driver> | undefined;

export function driver(): Promise<Driver> {
  return (loading ??= load());
}

async function load(): Promise<Driver> {
  const { default: sdk } = await loadDriver('snowflake-sdk', 'snowflake', () => import('snowflake-sdk'));
  // As it comes, it writes snowflake.log into the working folder and the same lines to the console.
  sdk.configure({ logLevel: 'OFF' });
  return sdk;
}
