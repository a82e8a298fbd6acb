/** What S3's answers mean for who staged something. */
import { BadConfig, NotFound } from '../../domain/errors.js';

const REMEDIES: Readonly<Record<string, string>> = {
  AccessDenied:
    'Let this user get, put, delete and list objects of the bucket (s3:GetObject, s3:PutObject, s3:DeleteObject, s3:ListBucket, s3:AbortMultipartUpload)',
  InvalidAccessKeyId: 'Correct the key in the URL, or in the environment',
  SignatureDoesNotMatch: 'Correct the secret in the URL, or in the environment',
  NoSuchBucket: "Correct the bucket's name, or create the bucket",
  PermanentRedirect: "Set region to the bucket's",
  AuthorizationHeaderMalformed: "Set region to the bucket's",
  CredentialsProviderError:
    'Put a key into the URL, or where the AWS SDK looks for one (AWS_ACCESS_KEY_ID …)',
};

/** All others may pass: the SDK has tried them some times, and the step is tried again. */
export function stagingError(error: unknown, label: string): unknown {
  const { name, message, $metadata } = error as {
    name?: string;
    message?: string;
    $metadata?: { httpStatusCode?: number };
  };
  const known = name !== undefined && Object.hasOwn(REMEDIES, name) ? name : undefined;
  // The answer to a HEAD has no body that could say more.
  const reason = known ?? ($metadata?.httpStatusCode === 403 ? 'AccessDenied' : undefined);
  if (reason === undefined) return error;
  return new BadConfig(`${label}: ${message || reason} (${reason}). ${REMEDIES[reason]}`, { cause: error });
}

export function isMissing(error: unknown): boolean {
  return ['NoSuchKey', 'NotFound'].includes((error as { name?: string }).name ?? '');
}

export function missingObject(name: string, label: string, cause: unknown): NotFound {
  return new NotFound(`${label} has no object ${name} any more. Start a new run, which extracts again`, {
    cause,
  });
}
