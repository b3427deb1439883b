/** What a daemon of a simulated machine works on: its random words, and its flow table, right or wrong on purpose. */
import type { FlowStore } from '../../../src/replication/api.js';
import type { Kernel } from './kernel.js';
import type { Mutant } from './mutants.js';

/** The words a daemon draws: the instance of its stream first. */
export class WordSource {
  private state: number;

  constructor(seed: number) {
    this.state = seed;
  }

  next(): number {
    this.state = (Math.imul(this.state, 1664525) + 1013904223) >>> 0;
    return this.state / 2 ** 32;
  }
}

type Table = Kernel['table'];

const bound = (table: Table): FlowStore => ({
  drain: table.drain.bind(table),
  watch: table.watch.bind(table),
  apply: table.apply.bind(table),
  readFlows: table.readFlows.bind(table),
  purge: table.purge.bind(table),
  digests: table.digests.bind(table),
});

/** Every tenth batch of live records is acknowledged and not applied. */
function forgetful(table: Table): Table['apply'] {
  let batches = 0;
  return (records, mode, epoch) => {
    batches += 1;
    return table.apply(batches % 10 === 0 && mode === 'live' ? Buffer.alloc(0) : records, mode, epoch);
  };
}

export function storeFor(table: Table, mutant: Mutant | null): FlowStore {
  switch (mutant) {
    case 'losesRecords':
      return { ...bound(table), apply: forgetful(table) };
    case 'purgesTooMuch':
      return { ...bound(table), purge: (cursor, most, _epoch, routers) => table.purge(cursor, most, -1, routers) };
    case 'neverPurges':
      return { ...bound(table), purge: () => ({ scanned: 0, purged: 0, cursor: null }) };
    default:
      return table;
  }
}
