/**
 * The door to the kernel's neighbour table: keeps chosen neighbours resolved and tells when a MAC changes. On kernels since 5.16 the kernel
 * itself does the keeping (managed neighbours); on older ones they are asked for again and again. IPv4 only.
 */
import { after, type Clock, systemClock } from './clock.js';
import { ipBatch, ipJson, ipMonitor } from './ip-command.js';
import { type Neighbour, parseNeighbourLine, parseNeighbours } from './neighbour-facts.js';

export type { Neighbour } from './neighbour-facts.js';

/** Wishes are collected and handed to one `ip` process. */
const COLLECT_MS = 5;
/** Lines per `ip` process. */
const MAX_BATCH = 512;
/** How often neighbours that vanished (their link went down) are asked for again, and on old kernels all of them. */
const KEEP_MS = 2000;
/** Every so many rounds of keeping the whole table is read again: mends lost netlink messages. */
const REREAD_ROUNDS = 5;

export interface Neighbours {
  /** Null: not resolved. */
  macOf(interfaceName: string, address: string): string | null;
  /** Resolve it now and keep it resolved. */
  manage(interfaceName: string, address: string): void;
  /** No longer of interest: left to the kernel's ageing. */
  release(interfaceName: string, address: string): void;
  onChange(listener: (neighbour: Neighbour) => void): () => void;
  stop(): void;
}

export interface NeighboursOptions {
  clock?: Clock;
  /** Trouble that repairs itself, worth a line in the log. */
  onProblem?(reason: string): void;
  /** False: pretend to run on a kernel without managed neighbours. */
  canManage?: boolean;
}

const keyOf = (interfaceName: string, address: string): string => `${interfaceName} ${address}`;

/** Resolves when the table was read once. */
export async function createNeighbours({
  clock = systemClock,
  onProblem = () => undefined,
  canManage = true,
}: NeighboursOptions = {}): Promise<Neighbours> {
  const listeners = new Set<(neighbour: Neighbour) => void>();
  const managed = new Map<string, { interface: string; address: string }>();
  const table = new Map<string, Neighbour>();
  const waiting = new Map<string, string>();
  let verb = canManage ? 'managed' : 'use';
  let isWriting = false;
  let stopped = false;
  let cancelWrite: () => void = () => undefined;
  let cancelKeep: () => void = () => undefined;
  // The first round reads again: the monitor may have begun to listen only after the first reading.
  let rounds = REREAD_ROUNDS - 1;

  const note = (neighbour: Neighbour): void => {
    const key = keyOf(neighbour.interface, neighbour.address);
    const before = table.get(key)?.mac ?? null;
    if (neighbour.isGone) table.delete(key);
    else table.set(key, neighbour);
    if (neighbour.mac !== before) for (const listener of [...listeners]) listener(neighbour);
  };

  const ask = (interfaceName: string, address: string, how: string): void => {
    if (waiting.size === 0 && !isWriting) cancelWrite = clock.at(after(clock.now(), COLLECT_MS), () => void write());
    waiting.set(keyOf(interfaceName, address), `neigh replace ${address} dev ${interfaceName} ${how}`);
  };
  const write = async (): Promise<void> => {
    isWriting = true;
    while (waiting.size > 0 && !stopped) {
      const keys = [...waiting.keys()].slice(0, MAX_BATCH);
      const lines = keys.map((key) => waiting.get(key) ?? '');
      for (const key of keys) waiting.delete(key);
      // Links come and go under a batch; what failed is asked for again by the keeping round.
      const complaint = await ipBatch(lines);
      if (/managed|garbage|argument/i.test(complaint) && verb === 'managed') fallBack(complaint);
    }
    isWriting = false;
  };
  const fallBack = (complaint: string): void => {
    verb = 'use';
    onProblem(
      `this kernel or iproute2 has no managed neighbours (${complaint.split('\n')[0]}); they are refreshed every ${KEEP_MS} ms instead`,
    );
    for (const { interface: name, address } of managed.values()) ask(name, address, verb);
  };

  const reread = async (): Promise<void> => {
    try {
      const fresh = new Map(
        parseNeighbours(await ipJson(['-4', 'neigh', 'show'])).map((entry) => [keyOf(entry.interface, entry.address), entry]),
      );
      if (stopped) return;
      for (const neighbour of fresh.values()) note(neighbour);
      for (const [key, old] of [...table]) if (!fresh.has(key)) note({ ...old, mac: null, isManaged: false, isGone: true });
    } catch (error) {
      onProblem(error instanceof Error ? error.message : String(error));
    }
  };
  const keep = (): void => {
    cancelKeep = clock.at(after(clock.now(), KEEP_MS), keep);
    if (++rounds % REREAD_ROUNDS === 0) void reread();
    for (const [key, { interface: name, address }] of managed) {
      if (verb === 'use' || table.get(key)?.isManaged !== true) ask(name, address, verb);
    }
  };

  const monitor = ipMonitor(
    ['neigh'],
    clock,
    (line) => {
      const neighbour = parseNeighbourLine(line);
      if (neighbour !== null) note(neighbour);
    },
    (reason) => {
      onProblem(reason);
      void reread();
    },
  );
  await reread();
  cancelKeep = clock.at(after(clock.now(), KEEP_MS), keep);

  return {
    macOf: (interfaceName, address) => table.get(keyOf(interfaceName, address))?.mac ?? null,
    manage(interfaceName, address) {
      const key = keyOf(interfaceName, address);
      if (managed.has(key)) return;
      managed.set(key, { interface: interfaceName, address });
      ask(interfaceName, address, verb);
    },
    release(interfaceName, address) {
      if (!managed.delete(keyOf(interfaceName, address))) return;
      waiting.delete(keyOf(interfaceName, address));
      // `use` takes the managed mark off again.
      if (verb === 'managed') ask(interfaceName, address, 'use');
    },
    onChange(listener) {
      listeners.add(listener);
      return () => listeners.delete(listener);
    },
    stop() {
      stopped = true;
      cancelWrite();
      cancelKeep();
      monitor.stop();
    },
  };
}
