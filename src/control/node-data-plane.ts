/**
 * Brings the data plane of a node to work, in two steps between which its tables are filled: maps and tables first, then the programs on the
 * interfaces, then what the kernel has to know beside them.
 */
import type { Config } from '../config/model.js';
import { createEngine, type L4Engine } from '../l4/engine.js';
import { type DataPlane, loadNative } from '../l4/native.js';
import { systemClock } from '../system/clock.js';
import { kernelPresence } from '../system/kernel-presence.js';
import type { Links } from '../system/links.js';
import { createNeighbours } from '../system/neighbours.js';
import { bpfObjectPath } from '../system/paths.js';
import type { Log } from '../telemetry/log.js';
import { type AttachedInterface, attachInterfaces, sayAttached, showVlanTags } from './interfaces.js';
import { layoutDoors, refuseWhileInUse, removeUnused } from './other-layouts.js';
import { installPresence } from './presence.js';
import { loadPools, type StateDir } from './state-dir.js';

export interface NodeDataPlaneOptions {
  config: Config;
  node: string;
  stateDir: StateDir;
  links: Links;
  log: Log;
}

/** Adopts what is pinned. Throws OtherLayoutError, NativeError, L4Error; then nothing is attached. */
export async function loadDataPlane({ config, node, stateDir, links, log }: NodeDataPlaneOptions): Promise<[DataPlane, L4Engine]> {
  const native = loadNative();
  await refuseWhileInUse(stateDir, layoutDoors(native, stateDir, systemClock));
  const dataPlane = native.load({ objectPath: bpfObjectPath, pinDir: stateDir.pinDir, maxFlows: config.dataPlane.maxFlows });
  const neighbours = await createNeighbours({ onProblem: (reason) => log.event('network.trouble', { reason }) });
  const engine = createEngine({ dataPlane, config, node, links, neighbours, clock: systemClock, log, saved: loadPools(stateDir) });
  await engine.start();
  return [dataPlane, engine];
}

/** Throws NativeError, PresenceError. */
export async function attachDataPlane(dataPlane: DataPlane, options: NodeDataPlaneOptions): Promise<AttachedInterface[]> {
  const { config, stateDir, links, log } = options;
  removeUnused(stateDir, layoutDoors(loadNative(), stateDir, systemClock), log);
  const interfaces = attachInterfaces(dataPlane, config, links.facts());
  for (const attached of interfaces) {
    sayAttached(attached, log);
    await showVlanTags(attached.name, log);
  }
  const raised = await installPresence(kernelPresence, stateDir.presenceFile, config);
  for (const { key, before, after: now } of raised) {
    log.event('network.settingChanged', { key, before, after: now, reason: 'a virtual router accepts: its addresses are on lo' });
  }
  return interfaces;
}
