/** Other programs for the same, where they are on PATH: from PostgreSQL into files in the bucket. */
import { execFileSync } from 'node:child_process';
import { fileURLToPath } from 'node:url';
import type { Places } from './destinations.js';
import { timed } from './shell.js';

export interface Peer {
  readonly name: string;
  /** Answers the seconds. */
  run(places: Places): Promise<number>;
}

const DLT = fileURLToPath(new URL('./dlt_copy.py', import.meta.url));

export function findPeers(): Peer[] {
  const peers: Peer[] = [];
  const sling = answer('sling', ['--version']);
  if (sling !== undefined)
    peers.push({ name: `sling ${/\d+(\.\d+)+/.exec(sling)?.[0] ?? ''}`, run: runSling });
  const dlt = answer('python3', ['-c', 'import dlt; print(dlt.__version__)']);
  for (const backend of ['connectorx', 'pyarrow']) {
    if (dlt !== undefined && answer('python3', ['-c', `import ${backend}`]) !== undefined) {
      peers.push({ name: `dlt ${dlt.trim()} with ${backend}`, run: (places) => runDlt(places, backend) });
    }
  }
  return peers;
}

function answer(command: string, args: string[]): string | undefined {
  try {
    return execFileSync(command, args, { encoding: 'utf8', stdio: ['ignore', 'pipe', 'ignore'] });
  } catch {
    return undefined;
  }
}

interface Access {
  readonly bucket: string;
  readonly endpoint: string;
  readonly key: string;
  readonly secret: string;
}

function access({ s3 }: Places): Access {
  const { username, password, host, searchParams } = new URL(s3.url);
  return { bucket: host, endpoint: searchParams.get('endpoint')!, key: username, secret: password };
}

function runSling(places: Places): Promise<number> {
  const { bucket, endpoint, key, secret } = access(places);
  const staging = { type: 's3', bucket, endpoint, access_key_id: key, secret_access_key: secret };
  return timed(
    `sling run --src-conn SOURCE --src-stream bench.rows --tgt-conn STAGING --tgt-object 's3://${bucket}/sling/rows.csv.gz'`,
    {
      SOURCE: `${places.postgresUrl}?sslmode=disable`,
      STAGING: JSON.stringify({ ...staging, region: 'us-east-1' }),
      SLING_DISABLE_TELEMETRY: 'true',
    },
  );
}

function runDlt(places: Places, backend: string): Promise<number> {
  const { bucket, endpoint, key, secret } = access(places);
  return timed(`python3 '${DLT}' ${backend}`, {
    BENCH_SOURCE: places.postgresUrl.replace('postgres://', 'postgresql://'),
    BENCH_BUCKET: `s3://${bucket}/dlt`,
    DLT_DATA_DIR: places.folder,
    RUNTIME__DLTHUB_TELEMETRY: 'false',
    DESTINATION__FILESYSTEM__CREDENTIALS__AWS_ACCESS_KEY_ID: key,
    DESTINATION__FILESYSTEM__CREDENTIALS__AWS_SECRET_ACCESS_KEY: secret,
    DESTINATION__FILESYSTEM__CREDENTIALS__ENDPOINT_URL: endpoint,
    DESTINATION__FILESYSTEM__CREDENTIALS__REGION_NAME: 'us-east-1',
  });
}
