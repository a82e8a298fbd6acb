/** Temporal's download site as a local server, reached through a proxy, with a certificate made for the occasion. */
import { execFileSync } from 'node:child_process';
import { once } from 'node:events';
import { readFileSync, writeFileSync } from 'node:fs';
import { createServer as createProxy } from 'node:http';
import { createServer as createSite } from 'node:https';
import { connect, type AddressInfo, type Server } from 'node:net';
import { join } from 'node:path';
import { onTestFinished, vi } from 'vitest';

/** Serves an archive with the file `temporal` of the folder; must be called with a PATH that has openssl and tar. */
export async function startDownloadSite(folder: string): Promise<void> {
  const run = (command: string, ...args: string[]) =>
    execFileSync(command, args, { cwd: folder, stdio: 'pipe' });
  const subject = ['-subj', '/CN=temporal.download', '-addext', 'subjectAltName=DNS:temporal.download'];
  const key = ['-newkey', 'rsa:2048', '-nodes', '-keyout', 'key.pem'];
  writeFileSync(join(folder, 'ca.txt'), 'basicConstraints=critical,CA:TRUE\n');
  run('openssl', 'req', '-x509', ...key, '-out', 'ca.pem', '-days', '1', '-subj', '/CN=test');
  run('openssl', 'req', ...key.slice(0, 3), '-keyout', 'site.key', '-out', 'site.csr', ...subject);
  const sign = [
    '-CA',
    'ca.pem',
    '-CAkey',
    'key.pem',
    '-CAcreateserial',
    '-copy_extensions',
    'copy',
    '-days',
    '1',
  ];
  run('openssl', 'x509', '-req', '-in', 'site.csr', '-out', 'site.pem', ...sign);
  run('tar', 'czf', 'temporal.tar.gz', 'temporal');

  const read = (name: string) => readFileSync(join(folder, name));
  const site = createSite({ key: read('site.key'), cert: read('site.pem') }, ({ url }, response) => {
    if (url?.startsWith('/cli/default?')) {
      response.end(
        JSON.stringify({
          archiveUrl: 'https://temporal.download/temporal.tar.gz',
          fileToExtract: 'temporal',
        }),
      );
    } else {
      response.end(read('temporal.tar.gz'));
    }
  });
  const sitePort = await listen(site);
  const proxy = createProxy().on('connect', (_request, socket) => {
    const toSite = connect(sitePort, '127.0.0.1', () => {
      socket.write('HTTP/1.1 200 OK\r\n\r\n');
      toSite.pipe(socket).pipe(toSite);
    });
    for (const end of [toSite, socket]) end.on('error', () => {});
  });
  vi.stubEnv('HTTPS_PROXY', `http://127.0.0.1:${await listen(proxy)}`);
  vi.stubEnv('SSL_CERT_FILE', join(folder, 'ca.pem'));
}

async function listen(server: Server): Promise<number> {
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  onTestFinished(() => void server.close());
  return (server.address() as AddressInfo).port;
}
