/**
 * The door to what the kernel itself must know of virtual routers: MACs that an interface accepts beside its own, addresses on `lo`, and
 * the settings without which such an address would be answered for on the wire. Every call can be repeated.
 */
import { execFile } from 'node:child_process';
import { readFileSync, writeFileSync } from 'node:fs';

/** None of these commands waits for the network. */
const COMMAND_LIMIT_MS = 5000;

export interface ExtraMac {
  interface: string;
  /** aa:bb:cc:dd:ee:ff */
  mac: string;
}

export interface RaisedSetting {
  /** As sysctl names it; a slash stands for a dot inside a name. */
  key: string;
  before: string;
  after: string;
}

export class PresenceError extends Error {
  readonly code = 'PRESENCE_FAILED';
  readonly source = 'kernel';
  readonly retryable = false;
}

export interface KernelPresence {
  /** Frames to this MAC reach the interface's receive path from now on, XDP first. Rejects with PresenceError. */
  addMac(extra: ExtraMac): Promise<void>;
  /** A MAC or an interface that is not there is no failure. */
  removeMac(extra: ExtraMac): Promise<void>;
  /** Local to this machine, on no network. Rejects with PresenceError. */
  addAddress(address: string): Promise<void>;
  removeAddress(address: string): Promise<void>;
  /** Raises a setting to at least this; null when it was so already. Throws PresenceError. */
  raise(key: string, least: number): RaisedSetting | null;
}

const run = (program: string, args: readonly string[]): Promise<string | null> =>
  new Promise((resolve) => {
    execFile(program, args, { timeout: COMMAND_LIMIT_MS }, (error, _stdout, stderr) => {
      if (error === null) return resolve(null);
      resolve(error.code === 'ENOENT' ? `${program} is not installed; run: apt-get install iproute2` : stderr.trim() || error.message);
    });
  });

async function must(what: string, program: string, args: readonly string[]): Promise<void> {
  const complaint = await run(program, args);
  if (complaint !== null) throw new PresenceError(`${what}: ${program} ${args.join(' ')}: ${complaint}`);
}

/** As a bridge's forwarding entry of the interface itself: its list of secondary unicast addresses, whatever the driver makes of it. */
const macArgs = (verb: string, { interface: name, mac }: ExtraMac): string[] => ['fdb', verb, mac, 'dev', name, 'self', 'permanent'];

/** `noprefixroute`: no network follows from it. `nodad`: nobody on the wire is asked whether it is free. */
const addressArgs = (verb: string, address: string): string[] =>
  address.includes(':')
    ? ['-6', 'address', verb, `${address}/128`, 'dev', 'lo', ...(verb === 'replace' ? ['nodad', 'noprefixroute'] : [])]
    : ['-4', 'address', verb, `${address}/32`, 'dev', 'lo', ...(verb === 'replace' ? ['noprefixroute'] : [])];

const pathOf = (key: string): string => `/proc/sys/${key.replace(/[./]/g, (separator) => (separator === '.' ? '/' : '.'))}`;

export const kernelPresence: KernelPresence = {
  addMac: (extra) => must(`${extra.interface} does not take the virtual MAC ${extra.mac}`, 'bridge', macArgs('replace', extra)),
  async removeMac(extra) {
    await run('bridge', macArgs('del', extra));
  },
  addAddress: (address) => must(`${address} cannot be put on lo`, 'ip', addressArgs('replace', address)),
  async removeAddress(address) {
    await run('ip', addressArgs('del', address));
  },
  raise(key, least) {
    try {
      const before = readFileSync(pathOf(key), 'utf8').trim();
      if (Number(before) >= least) return null;
      writeFileSync(pathOf(key), `${least}\n`);
      return { key, before, after: String(least) };
    } catch (error) {
      const reason = error instanceof Error ? error.message : String(error);
      throw new PresenceError(`${key} must be ${least} at least, and cannot be set: ${reason}`);
    }
  },
};
