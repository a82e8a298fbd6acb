/** A password that no message may hold. */
export const SECRET = 'Tr0ub4dor-secret';
