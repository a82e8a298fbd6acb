/**
 * Reads `s3://bucket/prefix?region=eu-central-1`. Without a key in the URL, the AWS SDK looks where it always looks:
 * environment, profiles, the machine's role.
 */
import type { PutObjectCommandInput, S3ClientConfig } from '@aws-sdk/client-s3';
import { BadConfig } from '../../domain/errors.js';
import { decodedPart, malformedUrl, unknownParameter } from '../shared/url.js';

export interface Bucket {
  readonly name: string;
  /** Ends with a slash, or is empty. */
  readonly prefix: string;
  readonly label: string;
  readonly client: S3ClientConfig;
  /** How objects are encrypted where they are kept. */
  readonly encryption: Pick<PutObjectCommandInput, 'ServerSideEncryption' | 'SSEKMSKeyId'>;
}

const PARAMETERS = ['region', 'endpoint', 'pathStyle', 'sse', 'kmsKeyId'];
const ENCRYPTIONS = ['AES256', 'aws:kms', 'aws:kms:dsse'] as const;
const EXAMPLE =
  's3://bucket/prefix?region=eu-central-1, or s3://key:secret@bucket/prefix?endpoint=http://host:9000&pathStyle=true, ' +
  'with the signs : / ? # @ % + of key and secret encoded (/ is %2F)';

export function readUrl(url: string): Bucket {
  const malformed = (cause?: unknown): BadConfig => malformedUrl(url, EXAMPLE, cause);
  if (!/^s3:\/\/./i.test(url) || !URL.canParse(url)) throw malformed();
  const { username, password, host, pathname, searchParams, hash } = new URL(url);
  if (host === '' || hash !== '' || pathname.includes('@') || Boolean(username) !== Boolean(password)) {
    throw malformed();
  }
  const label = `s3://${host}${pathname.replace(/\/$/, '')}`;
  for (const name of searchParams.keys()) {
    if (!PARAMETERS.includes(name)) throw unknownParameter(name, PARAMETERS, label);
  }
  const { region, endpoint, pathStyle, sse, kmsKeyId } = Object.fromEntries(searchParams) as Record<
    string,
    string | undefined
  >;
  const credentials = username && {
    accessKeyId: decodedPart(username, malformed),
    secretAccessKey: decodedPart(password, malformed),
  };
  const path = decodedPart(pathname, malformed).replace(/^\/+|\/+$/g, '');
  return {
    name: host,
    prefix: path === '' ? '' : `${path}/`,
    label,
    client: {
      // Servers that are not Amazon's ask for none, and the SDK for one all the same.
      ...(region !== undefined ? { region } : endpoint !== undefined ? { region: 'us-east-1' } : {}),
      ...(endpoint === undefined ? {} : { endpoint }),
      ...(pathStyle === undefined ? {} : { forcePathStyle: flag('pathStyle', pathStyle, label) }),
      ...(credentials ? { credentials } : {}),
    },
    encryption: {
      ...(sse === undefined ? {} : { ServerSideEncryption: encryption(sse, label) }),
      ...(kmsKeyId === undefined ? {} : { SSEKMSKeyId: kmsKeyId }),
    },
  };
}

function flag(name: string, value: string, label: string): boolean {
  if (value === 'true' || value === 'false') return value === 'true';
  throw new BadConfig(`The URL of ${label} has ${name}=${value}. Write true or false`);
}

function encryption(value: string, label: string): (typeof ENCRYPTIONS)[number] {
  const known = ENCRYPTIONS.find((one) => one === value);
  if (known) return known;
  throw new BadConfig(`The URL of ${label} has sse=${value}. Use ${ENCRYPTIONS.join(', ')}`);
}
