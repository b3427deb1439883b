/**
 * What the demo found, as `--json` prints it. Times in milliseconds; those of the timeline count from the fault.
 */
import type { LoadReport, WebCounts } from '../../../test/support/lab/workload-api.js';
import type { DemoFault } from './options.js';

export interface DemoResult {
  ok: boolean;
  fault: DemoFault;
  /** Who was active when it happened, and who took over (null: nobody). */
  victim: string;
  successor: string | null;
  advertMs: number;
  /** What RFC 9568 allows: 3 x advert + skew. */
  allowedMs: number;
  outageMs: number;
  takeoverMs: number | null;
  probe: { sent: number; answered: number; lost: number };
  connections: { nat: LoadReport; dsr: LoadReport };
  /** TCP resets that the client was sent, seen on the switch. */
  resets: number;
  http: WebCounts;
  timeline: { node: string; fromMs: number; toMs: number }[];
  setupMs: number;
  totalMs: number;
}

export const lostConnections = ({ nat, dsr }: DemoResult['connections']): number =>
  nat.established - nat.alive + dsr.established - dsr.alive;

/** Nothing that was established is gone, and everything that was tried was established. */
export const isClean = ({ nat, dsr }: DemoResult['connections']): boolean =>
  lostConnections({ nat, dsr }) === 0 && nat.established === nat.tried && dsr.established === dsr.tried;
