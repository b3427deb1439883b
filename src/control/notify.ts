/**
 * Runs the hooks of the configuration. Each has a bounded queue and runs one command at a time; nobody waits for it. When the queue is full
 * the oldest document goes, because the newest says what is, and the next one that is delivered says how many are missing.
 */
import type { NotifyConfig } from '../config/model.js';
import { after, type Clock } from '../system/clock.js';
import { type CommandEnd, type CommandOptions, runCommand } from '../system/run-command.js';
import type { Log } from '../telemetry/log.js';
import type { NotifyStatus } from './status.js';
import { createWaiting } from './wait-until.js';

/** Documents that wait for a slow hook. */
export const MAX_WAITING_DOCUMENTS = 32;
/** Of the document, for hooks that check it; raised when a key changes its meaning. */
const DOCUMENT_VERSION = 1;

/** What happened; `event` is one of the names that `on` may list. */
export interface Happening {
  event: NotifyConfig['on'][number];
  router: string;
  [detail: string]: unknown;
}

export interface Notifier {
  tell(happening: Happening): void;
  status(): NotifyStatus[];
  /** Resolves when every hook has done its work, or after the limit. */
  settled(limitMs: number): Promise<void>;
}

export interface NotifierOptions {
  hooks: readonly NotifyConfig[];
  cluster: string;
  node: string;
  clock: Clock;
  log: Pick<Log, 'event'>;
  run?: (options: CommandOptions, onEnd: (end: CommandEnd) => void) => unknown;
}

interface Hook {
  config: NotifyConfig;
  waiting: { event: string; document: Record<string, unknown> }[];
  isRunning: boolean;
  /** Dropped since the last document that was delivered. */
  missing: number;
  counts: NotifyStatus['counts'];
}

export function createNotifier({ hooks, cluster, node, clock, log, run = runCommand }: NotifierOptions): Notifier {
  const waiting = createWaiting(clock);
  const all: Hook[] = hooks.map((config) => ({
    config,
    waiting: [],
    isRunning: false,
    missing: 0,
    counts: { ok: 0, failed: 0, timeout: 0, dropped: 0 },
  }));

  const next = (hook: Hook): void => {
    const first = hook.isRunning ? undefined : hook.waiting.shift();
    if (first === undefined) return waiting.look();
    hook.isRunning = true;
    const { command, timeoutMs } = hook.config;
    const input = `${JSON.stringify({ ...first.document, dropped: hook.missing })}\n`;
    hook.missing = 0;
    const startedAt = clock.now();
    run({ command, input, timeoutMs }, (end) => {
      hook.isRunning = false;
      judge(hook, first.event, end, clock.now() >= after(startedAt, timeoutMs));
      next(hook);
    });
  };

  const judge = ({ config, counts }: Hook, event: string, { status, output, error }: CommandEnd, isLate: boolean): void => {
    const hook = config.name;
    if (output.trim() !== '') log.event('notify.output', { hook, trigger: event, output: output.trim() });
    if (status === 0) {
      counts.ok++;
      return;
    }
    counts[isLate ? 'timeout' : 'failed']++;
    log.event('notify.failed', { hook, trigger: event, reason: error ?? `exit status ${status}` });
  };

  return {
    tell({ event, router, ...details }) {
      const document = { version: DOCUMENT_VERSION, event, cluster, node, at: new Date(clock.wallMs()).toISOString(), router, ...details };
      for (const hook of all) {
        const { on, routers, name } = hook.config;
        if (!on.includes(event) || (routers.length > 0 && !routers.includes(router))) continue;
        hook.waiting.push({ event, document });
        if (hook.waiting.length > MAX_WAITING_DOCUMENTS) {
          hook.waiting.shift();
          hook.missing++;
          hook.counts.dropped++;
          log.event('notify.dropped', { hook: name, reason: `more than ${MAX_WAITING_DOCUMENTS} documents wait for it` });
        }
        next(hook);
      }
    },
    status: () => all.map(({ config, waiting: queue, counts }) => ({ hook: config.name, waiting: queue.length, counts: { ...counts } })),
    async settled(limitMs) {
      await waiting.until(() => all.every((hook) => !hook.isRunning && hook.waiting.length === 0), limitMs);
    },
  };
}
