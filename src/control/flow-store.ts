/**
 * The data plane's flow table as replication sees it. Both read what the kernel says of flows: replication is woken for its events, and
 * shares the wake with the engine, which reads the notices.
 */
import type { L4Engine } from '../l4/engine.js';
import type { DataPlane } from '../l4/native.js';
import type { FlowStore } from '../replication/api.js';

export const flowStoreOf = (dataPlane: DataPlane, engine: Pick<L4Engine, 'handleNotices'>): FlowStore => ({
  drain: (maxRecords, wantDigests) => dataPlane.drain(maxRecords, wantDigests),
  watch: (wake) =>
    dataPlane.watch(() => {
      engine.handleNotices(dataPlane.drainNotices());
      wake();
    }),
  apply: (records, mode, syncEpoch) => dataPlane.apply(records, mode, syncEpoch),
  readFlows: (cursor, maxRecords) => dataPlane.readFlows(cursor, maxRecords),
  purge: (cursor, maxRecords, syncEpoch, routers) => dataPlane.purge(cursor, maxRecords, syncEpoch, routers),
  digests: () => dataPlane.digests(),
});
