/**
 * Sync groups: who is in them, and that the routers of one agree in everything that one election decides. Pure.
 */
import { suggestion } from './nearest.js';
import { checkUnique, type Report } from './report.js';
import type { ConfigDocument } from './schema.js';
import type { Path } from './source.js';

type Router = ConfigDocument['virtualRouters'][number];

/** What belongs to the election, by the name of the key in the file. */
const AGREED: readonly { key: string; of: (router: Router) => unknown }[] = [
  { key: 'priority', of: (router) => Object.entries(router.priority).sort() },
  { key: 'advertInterval', of: (router) => router.advertIntervalMs },
  { key: 'version', of: (router) => router.version },
  { key: 'preempt', of: (router) => router.preempt },
  { key: 'preemptDelay', of: (router) => router.preemptDelayMs },
  { key: 'announce', of: (router) => router.announce },
];

export function checkSyncGroups(config: ConfigDocument, report: Report): void {
  checkUnique(config.syncGroups, (group) => group.name, ['syncGroups'], 'name', 'sync group', report);
  const groupOf = checkMembers(config, report);
  config.syncGroups.forEach((group, i) => {
    checkName(config, group.name, groupOf, ['syncGroups', i, 'name'], report);
    checkAgreement(config, group, i, report);
  });
}

/** The group of each router, by name. */
function checkMembers(config: ConfigDocument, report: Report): ReadonlyMap<string, string> {
  const groupOf = new Map<string, string>();
  const known = config.virtualRouters.map((router) => router.name);
  for (const [i, group] of config.syncGroups.entries()) {
    for (const [j, name] of group.virtualRouters.entries()) {
      const path: Path = ['syncGroups', i, 'virtualRouters', j];
      const other = groupOf.get(name);
      if (!known.includes(name))
        report.error(path, 'value', `unknown virtual router "${name}"; ${suggestion(name, known, 'virtual routers')}`);
      else if (other === undefined) groupOf.set(name, group.name);
      else report.error(path, 'value', `"${name}" is in sync group "${other}" already; a virtual router has one group`);
    }
  }
  return groupOf;
}

/** A router outside of all groups is a group of its own, by its name. */
function checkName(config: ConfigDocument, name: string, groupOf: ReadonlyMap<string, string>, path: Path, report: Report): void {
  const isTaken = config.virtualRouters.some((router) => router.name === name && !groupOf.has(name));
  if (isTaken) report.error(path, 'value', `a virtual router outside of this group is named "${name}"; choose another name`);
}

function checkAgreement(config: ConfigDocument, group: ConfigDocument['syncGroups'][number], index: number, report: Report): void {
  const first = config.virtualRouters.find((router) => router.name === group.virtualRouters[0]);
  if (first === undefined) return;
  for (const name of group.virtualRouters.slice(1)) {
    const at = config.virtualRouters.findIndex((router) => router.name === name);
    const router = config.virtualRouters[at];
    if (router === undefined) continue;
    for (const { key, of } of AGREED) {
      if (JSON.stringify(of(router)) === JSON.stringify(of(first))) continue;
      report.error(
        ['virtualRouters', at, key],
        'key',
        `differs from "${first.name}", and both are in sync group "${group.name}" (syncGroups[${index}]): one election decides for both; write the same ${key}`,
      );
    }
  }
}
