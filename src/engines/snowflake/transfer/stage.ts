/**
 * Where Snowflake finds staged objects: in an external stage over the bucket that they are in, or in an internal one of the
 * session, which gets the files of a folder by PUT and is gone with the session.
 */
import { posix } from 'node:path';
import { fileURLToPath } from 'node:url';
import { BadConfig } from '../../../domain/errors.js';
import { literal } from './names.js';
import type { TransferSession } from './session.js';

/** A folder of a stage, and the files in it. */
export interface StagedFiles {
  /** As it stands in SQL. */
  readonly folder: string;
  readonly files: readonly string[];
}

export interface Stage {
  /** Makes objects of one folder readable. */
  take(objects: readonly string[]): Promise<StagedFiles>;
}

const INTERNAL = 'BATCHTRAIL_STAGE';

/** `location` is the staging area's, `stage` the one that the connection's URL names. */
export async function openStage(
  session: TransferSession,
  location: string,
  stage: string | undefined,
): Promise<Stage> {
  if (location.startsWith('file:')) return internalStage(session, fileURLToPath(location));
  if (stage === undefined) {
    throw new BadConfig(
      `${session.label} can't read what is staged in ${location}: create an external stage over it, and add its name to the connection's URL: stage=RAW.STAGING`,
    );
  }
  return externalStage(await pathInStage(session, location, stage), stage);
}

function externalStage(path: string, stage: string): Stage {
  return {
    take: async (objects) => {
      const { folder, files } = split(objects);
      return { folder: literal(`@${stage}/${path}${folder}`), files };
    },
  };
}

/** Of the staging area below the stage, whose URL may be that of a folder above. */
async function pathInStage(session: TransferSession, location: string, stage: string): Promise<string> {
  const parts = stage.split('.');
  const [name, schema] = [parts.at(-1)!, parts.slice(0, -1).join('.')];
  const stages = await session.run(`SHOW STAGES LIKE ${literal(name)} IN SCHEMA ${schema}`);
  const url = stages.find((row) => row['name'] === name)?.['url'] as string | undefined;
  const refuse = (what: string, remedy: string): never => {
    throw new BadConfig(`${session.label}: ${what}. ${remedy}`);
  };
  if (url === undefined) {
    return refuse(
      `there is no stage ${stage}, or this role may not see it`,
      "Correct stage in the connection's URL, or let a DBA create it and grant USAGE on it",
    );
  }
  const [, above] = /^(?:s3|s3gov|s3china|s3compat):\/\/(.*?)\/*$/i.exec(url) ?? [];
  const [, place] = /^s3:\/\/(.*)$/.exec(location) ?? [];
  if (above !== undefined && place?.startsWith(`${above}/`)) return place.slice(above.length + 1);
  return refuse(
    `the stage ${stage} is over ${url || 'no bucket'}, and the staging area is ${location}`,
    "Name a stage over that place in the connection's URL",
  );
}

async function internalStage(session: TransferSession, root: string): Promise<Stage> {
  await session.run(`CREATE OR REPLACE TEMPORARY STAGE ${INTERNAL}`);
  return {
    take: async (objects) => {
      const { folder, files } = split(objects);
      const place = literal(`@${INTERNAL}/${folder}`);
      for (const object of objects) {
        // With slashes on Windows, too, as this statement wants them in quotes.
        const file = literal(`file://${root.replaceAll('\\', '/').replace(/\/$/, '')}/${object}`);
        await session.run(
          `PUT ${file} ${place} AUTO_COMPRESS = FALSE SOURCE_COMPRESSION = GZIP OVERWRITE = TRUE`,
        );
      }
      return { folder: place, files };
    },
  };
}

function split(objects: readonly string[]): StagedFiles {
  return {
    folder: `${posix.dirname(objects[0]!)}/`,
    files: objects.map((object) => posix.basename(object)),
  };
}
