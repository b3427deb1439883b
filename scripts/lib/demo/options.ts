/**
 * What the command line of scripts/demo says. Pure.
 */
import { parseArgs } from 'node:util';
import type { Event } from '../../../test/support/lab/system-under-test.js';

export const DEMO_FAULTS = ['crash', 'kill', 'stop', 'cable', 'switchover'] as const satisfies readonly Event[];
export type DemoFault = (typeof DEMO_FAULTS)[number];

export interface DemoOptions {
  fault: DemoFault;
  /** TCP connections through NAT. */
  connections: number;
  /** TCP connections by direct server return: a fifth of the others. */
  direct: number;
  json: boolean;
  keep: boolean;
}

const DEFAULT_CONNECTIONS = 1000;
/** One client address has ports for so many. */
export const MAX_CONNECTIONS = 20_000;

export type ParsedOptions = { ok: true; options: DemoOptions } | { ok: false; problem: string };

export function parseDemoOptions(words: string[]): ParsedOptions {
  try {
    const { values } = parseArgs({
      args: words,
      options: {
        fault: { type: 'string', default: 'crash' },
        connections: { type: 'string', default: String(DEFAULT_CONNECTIONS) },
        json: { type: 'boolean', default: false },
        keep: { type: 'boolean', default: false },
      },
    });
    const fault = DEMO_FAULTS.find((known) => known === values.fault);
    if (fault === undefined) return { ok: false, problem: `--fault is one of ${DEMO_FAULTS.join(', ')}, not ${values.fault}` };
    const connections = Number(values.connections);
    if (!Number.isInteger(connections) || connections < 1 || connections > MAX_CONNECTIONS) {
      return { ok: false, problem: `--connections wants a whole number from 1 to ${MAX_CONNECTIONS}, not ${values.connections}` };
    }
    return {
      ok: true,
      options: { fault, connections, direct: Math.max(1, Math.round(connections / 5)), json: values.json, keep: values.keep },
    };
  } catch (error) {
    return { ok: false, problem: error instanceof Error ? error.message : String(error) };
  }
}
