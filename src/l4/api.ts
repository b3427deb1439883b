/**
 * What the L4 engine exchanges with the floors above it. Types only.
 */

/** One generation of one pool: what the lease holder decided, and every other node compiles from. */
export interface PoolGeneration {
  pool: string;
  /** Grows by one with each change; compared within one holder's term. */
  generation: number;
  members: { name: string; address: string; port: number; weight: number; alive: boolean }[];
}

/** Who is asked, by an echo from the VIP, whether the take-over landed. */
export interface VerifyTarget {
  interface: string;
  address: string;
  mac: string;
}

export interface Traffic {
  packetsIn: number;
  bytesIn: number;
  packetsOut: number;
  bytesOut: number;
  newFlows: number;
}

/** One row of `GET /v1/flows?service=&server=&client=&state=&limit=`. */
export interface FlowRow {
  protocol: 'tcp' | 'udp';
  client: string;
  listen: string;
  server: string;
  state: string;
  forward: 'nat' | 'dsr';
  idleMs: number;
  /** Node that created the record. */
  origin: string;
}
