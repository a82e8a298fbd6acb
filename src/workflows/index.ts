export { elt } from './elt.js';
export { northwindSalesElt } from './northwindSalesElt.js';
