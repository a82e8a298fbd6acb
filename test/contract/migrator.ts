/** A process of its own that migrates, as soon as it is told to: arguments are the URL and the schema. */
import { once } from 'node:events';
import { engineFor } from '../../src/engines/index.js';

const [url = '', schema] = process.argv.slice(2);
const store = await (await engineFor(url, 'url')).openAuditStore({ url, schema });
process.send!('ready');
await once(process, 'message');
process.send!(await store.migrate());
await store.close();
process.disconnect();
