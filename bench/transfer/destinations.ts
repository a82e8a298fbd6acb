import type { S3Endpoint } from '../../test/endpoints/s3.js';

export const DESTINATIONS = ['s3', 'sqlite', 'postgres'] as const;
export type Destination = (typeof DESTINATIONS)[number];

export interface Places {
  readonly folder: string;
  readonly postgresUrl: string;
  readonly s3: S3Endpoint;
}
