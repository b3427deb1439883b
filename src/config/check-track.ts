/**
 * Cross-checks of what virtual routers track and of the hooks: which keys belong to which kind, names that are referred to, and weights
 * that could never move anything. Pure.
 */
import { suggestion } from './nearest.js';
import type { Report } from './report.js';
import type { ConfigDocument } from './schema.js';
import type { Path } from './source.js';
import { type TrackKind, trackName } from './track-schema.js';

type Router = ConfigDocument['virtualRouters'][number];
type Tracked = Router['track'][number];

type KindKey = 'process' | 'pidFile' | 'file' | 'content' | 'command' | 'to' | 'address' | 'pool' | 'minPercent' | 'interface' | 'timeout';

/** Beside the keys of every kind. */
const KEYS_OF: Record<TrackKind, { needed: readonly KindKey[]; allowed: readonly KindKey[] }> = {
  process: { needed: [], allowed: ['process', 'pidFile'] },
  file: { needed: ['file'], allowed: ['content', 'timeout'] },
  script: { needed: ['command'], allowed: ['timeout'] },
  route: { needed: ['to'], allowed: ['interface'] },
  gateway: { needed: ['address'], allowed: ['timeout'] },
  sync: { needed: [], allowed: [] },
  engine: { needed: [], allowed: [] },
  servers: { needed: ['pool'], allowed: ['minPercent'] },
  interface: { needed: ['interface'], allowed: [] },
};

export function checkTracking(config: ConfigDocument, report: Report): void {
  for (const [i, router] of config.virtualRouters.entries()) {
    const at: Path = ['virtualRouters', i, 'track'];
    for (const [j, tracked] of router.track.entries()) checkTracked(config, router, j, tracked, [...at, j], report);
    checkWeights(config, router, at, report);
  }
}

function checkTracked(config: ConfigDocument, router: Router, index: number, tracked: Tracked, path: Path, report: Report): void {
  checkKeys(tracked, path, report);
  const name = trackName(tracked);
  const earlier = router.track.slice(0, index).some((other) => other.kind === tracked.kind && trackName(other) === name);
  if (earlier) report.error(path, 'key', `"${router.name}" tracks ${tracked.kind} "${name}" already; give one of them another "name"`);
  if (tracked.pool !== null && !config.pools.some((pool) => pool.name === tracked.pool)) {
    const pools = config.pools.map((pool) => pool.name);
    report.error([...path, 'pool'], 'value', `unknown pool "${tracked.pool}"; ${suggestion(tracked.pool, pools, 'pools')}`);
  }
  checkProgram(tracked.command, [...path, 'command'], report);
  if (tracked.content === 'number' && tracked.weight !== null)
    report.error([...path, 'weight'], 'value', 'the number in the file is the weight; leave one of them out');
}

const isWritten = (tracked: Tracked, name: KindKey): boolean => tracked[name] !== null;

function checkKeys(tracked: Tracked, path: Path, report: Report): void {
  const { needed, allowed } = KEYS_OF[tracked.kind];
  for (const name of needed)
    if (!isWritten(tracked, name)) report.error(path, 'key', `missing key "${name}": what ${tracked.kind} looks at`);
  const all: KindKey[] = Object.values(KEYS_OF).flatMap((keys) => [...keys.needed, ...keys.allowed]);
  for (const name of new Set(all)) {
    if (isWritten(tracked, name) && !needed.includes(name) && !allowed.includes(name))
      report.error([...path, name], 'key', `"${name}" has no meaning for ${tracked.kind}`);
  }
  if (tracked.kind === 'process' && (tracked.process === null) === (tracked.pidFile === null))
    report.error(path, 'key', 'a process is named by "process" or by "pidFile"; write one of them');
}

function checkProgram(command: readonly string[] | null | undefined, path: Path, report: Report): void {
  if (command?.[0]?.startsWith('/') === false)
    report.error([...path, 0], 'value', `the program must be an absolute path such as /usr/local/bin/${command[0]}`);
}

/** Weights that leave the first node ahead of the second, whatever fails, move nothing. */
function checkWeights(config: ConfigDocument, router: Router, path: Path, report: Report): void {
  const weighted = router.track.filter((tracked) => tracked.weight !== null);
  if (weighted.length === 0 || router.track.some((tracked) => tracked.weight === null)) return;
  const ranks = Object.keys(config.cluster.nodes)
    .flatMap((node) => (router.priority[node] === undefined ? [] : [{ node, priority: router.priority[node] }]))
    .sort((a, b) => b.priority - a.priority);
  const [first, second] = ranks;
  const most = weighted.reduce((sum, tracked) => sum + Math.abs(tracked.weight ?? 0), 0);
  if (first === undefined || second === undefined || first.priority - most < second.priority) return;
  report.warning(
    path,
    'key',
    `with all of these failing "${first.node}" (${first.priority} - ${most}) is still ahead of "${second.node}" (${second.priority}), so they move nothing`,
  );
}

export function checkNotify(config: ConfigDocument, report: Report): void {
  const routers = config.virtualRouters.map((router) => router.name);
  for (const [i, hook] of config.notify.entries()) {
    const path: Path = ['notify', i];
    checkProgram(hook.command, [...path, 'command'], report);
    for (const [j, name] of hook.routers.entries()) {
      if (!routers.includes(name))
        report.error([...path, 'routers', j], 'value', `unknown virtual router "${name}"; ${suggestion(name, routers, 'virtual routers')}`);
    }
    if (config.notify.slice(0, i).some((other) => other.name === hook.name))
      report.error(path, 'key', `second hook with the name "${hook.name}"; give one of them another "name"`);
  }
}
