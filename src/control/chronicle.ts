/**
 * Whoever wants to know of a change is told here: the history on disk and the hooks. Wiring only.
 */
import { join } from 'node:path';
import type { Config } from '../config/model.js';
import type { Clock } from '../system/clock.js';
import type { Log } from '../telemetry/log.js';
import type { TrackChange } from '../tracking/tracker.js';
import type { TransitionMessage } from '../vrrp/heartbeat-api.js';
import { createHistory, type HistoryFilter, type PanicChange, type ServerOrder, type TransitionContext } from './history.js';
import { openHistoryFile } from './history-file.js';
import { createNotifier } from './notify.js';
import type { HistoryRow, NotifyStatus } from './status.js';
import type { HandOverEffect } from './stragglers.js';

/** What a stopping node waits for: its last words on disk, and hooks that tell others that it goes. */
const SETTLE_LIMIT_MS = 3000;

export interface ChronicleOptions {
  config: Config;
  node: string;
  stateDir: string;
  clock: Clock;
  log: Pick<Log, 'event'>;
  contextOf(router: string): TransitionContext;
}

export interface Chronicle {
  started(version: string): void;
  transition(message: TransitionMessage): void;
  verified(router: string, afterMs: number): void;
  handedOver(router: string, effect: HandOverEffect): void;
  tracked(change: TrackChange): void;
  ordered(order: ServerOrder): void;
  panicked(change: PanicChange): void;
  rows(filter: HistoryFilter): Promise<HistoryRow[]>;
  status(): { history: { waiting: number; dropped: number }; notify: NotifyStatus[] };
  end(): Promise<void>;
}

export function createChronicle({ config, node, stateDir, clock, log, contextOf }: ChronicleOptions): Chronicle {
  const path = join(stateDir, 'history.jsonl');
  const history = createHistory(
    openHistoryFile({
      path,
      onTrouble: (reason) =>
        reason === null
          ? log.event('history.restored', { path, reason: 'it can be written again' })
          : log.event('history.failed', { path, reason }),
    }),
  );
  const notifier = createNotifier({ hooks: config.notify, cluster: config.cluster.name, node, clock, log });
  return {
    started: (version) => history.started(version, clock.wallMs()),
    transition(message) {
      const context = contextOf(message.router);
      history.transition(message, context);
      const { type: _, router, to, ...rest } = message;
      notifier.tell({ event: to, router, to, ...rest, ...context });
    },
    verified(router, afterMs) {
      history.verified(router, afterMs, clock.wallMs());
      notifier.tell({ event: 'verified', router, afterMs });
    },
    handedOver: (router, effect) => history.handedOver(router, effect, clock.wallMs()),
    tracked({ router, kind, name, to, reason, isFirst }) {
      // What is well from the start is no news.
      if (!isFirst || to === 'down') notifier.tell({ event: 'track', router, kind, name, state: to, reason });
    },
    ordered: (order) => history.ordered(order, clock.wallMs()),
    panicked: (change) => history.panicked(change, clock.wallMs()),
    rows: (filter) => history.rows(filter),
    status: () => ({ history: history.counts(), notify: notifier.status() }),
    async end() {
      await Promise.all([history.settled(), notifier.settled(SETTLE_LIMIT_MS)]);
    },
  };
}
