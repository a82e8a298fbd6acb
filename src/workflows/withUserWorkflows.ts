/** What `batchtrail worker` bundles when there are workflows of the user's own: theirs beside the ready-made ones. */
/* eslint-disable batchtrail/layers -- `cli/bundleWorkflows.ts` points this name at the user's file */

// @ts-expect-error -- only the bundler knows this module
import * as own from 'batchtrail-user-workflows';

// @ts-expect-error -- only the bundler knows this module
export * from 'batchtrail-user-workflows';
export * from './index.js';

// `export *` leaves a default export out, which is Temporal's handler for workflow types that nobody exports.
export default Reflect.get(own as object, 'default');
