export { elt } from './elt.js';
export { historicalTransfer } from './historicalTransfer.js';
export { incrementalTransfer } from './incrementalTransfer.js';
export { northwindSalesElt } from './northwindSalesElt.js';
export { purgeAudit } from './purgeAudit.js';
export { replayBatch } from './replayBatch.js';
export { replayBatches } from './replayBatches.js';
