// Makes dependencies of the optional peers, so that `npm prune --omit=dev` leaves them, in the versions of the lock file.
// For the image: it has every engine's driver. It changes package.json, so run it on a copy.
import { readFileSync, writeFileSync } from 'node:fs';

const file = new URL('../package.json', import.meta.url);
const manifest = JSON.parse(readFileSync(file, 'utf8'));
for (const [driver, range] of Object.entries(manifest.peerDependencies)) {
  manifest.dependencies[driver] = range;
  delete manifest.devDependencies[driver];
}
writeFileSync(file, JSON.stringify(manifest, undefined, 2));
