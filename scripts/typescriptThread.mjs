// `typescript.mjs` for one thread of our own; of itself it leaves threads alone, which are mostly Temporal's.
import { register } from 'node:module';

register('./typescript.mjs', import.meta.url);
process.setSourceMapsEnabled(true);
