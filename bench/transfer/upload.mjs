/** Puts stdin into a bucket: `node upload.mjs s3://key:secret@bucket/prefix?endpoint=… name`. */
import { S3Client } from '@aws-sdk/client-s3';
import { Upload } from '@aws-sdk/lib-storage';

const [url, name] = process.argv.slice(2);
const { username, password, host, pathname, searchParams } = new URL(url);
const client = new S3Client({
  region: 'us-east-1',
  endpoint: searchParams.get('endpoint'),
  forcePathStyle: true,
  credentials: { accessKeyId: username, secretAccessKey: password },
});
await new Upload({
  client,
  params: { Bucket: host, Key: `${pathname.slice(1)}/${name}`, Body: process.stdin },
}).done();
