/**
 * Words of DNS that a check may name. Pure.
 */

export const RECORD_TYPES = ['A', 'AAAA', 'CNAME', 'MX', 'NS', 'PTR', 'SOA', 'SRV', 'TXT'] as const;
export type RecordType = (typeof RECORD_TYPES)[number];

/** By number (RFC 1035, section 4.1.1). */
export const RCODES = ['noerror', 'formerr', 'servfail', 'nxdomain', 'notimp', 'refused'] as const;
export type Rcode = (typeof RCODES)[number];
