/**
 * What the L4 engine exchanges with the floors above it. Types only.
 */

/** What its operators want of a server: `drain` gives it no new flows, `disable` treats it as if it were down. */
export type AdminState = 'ready' | 'drain' | 'disable';

/** One server in a generation. Of what is optional, absent means what stands there: ordinary servers are said in few words, and older
 *  programs know only these. */
export interface PoolMember {
  name: string;
  address: string;
  port: number;
  /** Share of new flows as a whole number; 0: none. */
  weight: number;
  /** Up by the checks and not disabled: flows in progress are served whatever `onServerDown` says. */
  alive: boolean;
  /** `weight` in thousandths; absent: it is whole. */
  milliWeight?: number;
  /** In thousandths, what sizes the tables: it stays when this server is drained, so that others keep their entries. Absent: `weight`. */
  sizeWeight?: number;
  /** Administrative state; absent: `ready`. */
  state?: AdminState;
  /** What the checks said last, whatever the administrative state is; absent: `alive`. */
  up?: boolean;
  /** How long its slow start had been under way when this was said; absent: none is. */
  slowStartMs?: number;
  /** What the agent on the server asks for, as far as it counts; absent: nothing. */
  advice?: MemberAdvice;
}

export interface MemberAdvice {
  drain?: true;
  /** Of the weight that it has otherwise. */
  weightPercent?: number;
}

/** One generation of one pool: what the lease holder decided, and every other node compiles from. */
export interface PoolGeneration {
  pool: string;
  /** Grows by one with each change; compared within one holder's term. */
  generation: number;
  members: PoolMember[];
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
