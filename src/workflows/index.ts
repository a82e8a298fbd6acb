export { elt } from './elt.js';
export { historicalTransfer } from './historicalTransfer.js';
export { northwindSalesElt } from './northwindSalesElt.js';
