/**
 * What the agents of the lab can be told and what they answer. Types and their few constants only: both sides import it.
 * All times are milliseconds of CLOCK_MONOTONIC.
 */

/** A server's greeting on a new TCP connection: its name, padded with zeros. */
export const GREETING_BYTES = 8;
/** One message of the TCP workload. */
export const MESSAGE_BYTES = 32;
/** Offset in stream numbers of what the server says by itself. */
export const SPOKEN_STREAM = 1_000_000;

export interface ServerApi {
  hello: (argument: null) => null;
  /** On every open connection of the speaking port the server says `bytes` more of that connection's spoken stream. */
  speak: (argument: { bytes: number }) => { connections: number };
  /** Answers of /health from now on. */
  health: (argument: { ok: boolean }) => null;
  /** Closes or opens the listener of a TCP port; connections go on. */
  listen: (argument: { port: number; isOpen: boolean }) => Promise<null>;
  counts: (argument: null) => { accepted: number; open: number; resets: number };
}

export interface LoadOptions {
  target: string;
  port: number;
  connections: number;
  /** Every connection sends one message this often. */
  everyMs: number;
  /** New connections per second while opening. */
  perSecond: number;
  /** True: only tell the server which stream this is, then stay silent: the server will speak. */
  silent?: boolean;
}

export interface Spread {
  median: number;
  p99: number;
  max: number;
}

export interface LoadCounts {
  /** Connections that were tried. */
  tried: number;
  established: number;
  /** Established, still open and every byte right so far. */
  alive: number;
  reset: number;
  closed: number;
  corrupted: number;
  /** Open, but something sent is unanswered for longer than any retransmission takes. */
  silent: number;
  /** Never established: refused, reset or timed out while connecting. */
  failed: number;
  bytesVerified: number;
}

export interface LoadReport extends LoadCounts {
  /** Per connection: longest time between two answers since the mark. Includes the interval between messages. */
  gapMs: Spread;
  /** Per connection: longest round trip of one message since the mark. */
  roundTripMs: Spread;
  /** Established connections by the server that greeted them. */
  servers: Record<string, number>;
  /** Connections established at most `youngMs` before the fault, and how many of them are alive. */
  young: { established: number; alive: number };
}

export interface LoadApi {
  hello: (argument: null) => null;
  /** Opens connections and keeps them talking; answers when all are established or failed. Groups share one agent. */
  open: (argument: { group: string } & LoadOptions) => Promise<LoadCounts>;
  /** Opens `perSecond` connections of a group continuously until `stopChurn`. */
  churn: (argument: { group: string } & LoadOptions) => null;
  stopChurn: (argument: null) => { opened: number };
  /** Gaps and round trips count from here. */
  mark: (argument: null) => null;
  counts: (argument: { group: string }) => LoadCounts;
  /**
   * Stops the group's messages, sends one last on each connection, waits until everything is answered (or `limitMs` passed), reports.
   * Alive is who has answered everything and was heard from after `faultMs`.
   */
  finish: (argument: { group: string; limitMs: number; faultMs: number; youngMs: number }) => Promise<LoadReport>;
  closeAll: (argument: null) => null;
}

export interface ProbeApi {
  hello: (argument: null) => null;
  /**
   * Sends one numbered UDP datagram each `everyMs`. `fresh` uses a new port for each. Sequence numbers start at 0 with each start.
   * `from` is one of the machine's addresses, where it has several.
   */
  start: (argument: { target: string; port: number; everyMs: number; fresh: boolean; from?: string }) => null;
  stop: (argument: null) => { sent: number; answered: number; errors: number };
  counts: (argument: null) => { sent: number; answered: number; errors: number };
}

export interface WebCounts {
  requests: number;
  ok: number;
  /** By error code. */
  errors: Record<string, number>;
  slowestMs: number;
  servers: Record<string, number>;
}

export interface WebApi {
  hello: (argument: null) => null;
  start: (argument: { target: string; port: number; perSecond: number; timeoutMs: number }) => null;
  counts: (argument: null) => WebCounts;
  stop: (argument: null) => Promise<WebCounts>;
}

export interface EchoApi {
  hello: (argument: null) => null;
}

/** A datagram of the probe: sequence number (32 bits), then sending time (64 bits, nanoseconds). */
export const PROBE_BYTES = 12;

export interface FramesApi {
  hello: (argument: null) => null;
  /** Puts whole Ethernet frames, written in hexadecimal digits, on the wire. */
  send: (argument: { frames: string[] }) => null;
}

export interface AskApi {
  hello: (argument: null) => null;
  /** Whole frames, written in hexadecimal digits; one each `everyMs`, the first again after the last. */
  start: (argument: { frames: string[]; everyMs: number }) => null;
  stop: (argument: null) => { sent: number };
}

export interface WireQuality {
  delayMs: number;
  /** Added or taken away at random; more than the time between frames changes their order. */
  jitterMs: number;
  lossPercent: number;
  duplicatePercent: number;
}

export interface WireApi {
  hello: (argument: null) => null;
  quality: (argument: WireQuality) => null;
  counts: (argument: null) => { carried: number; lost: number; duplicated: number; errors: number };
}
