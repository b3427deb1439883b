/**
 * Writes the file from which the heartbeat reads what it is for.
 */
import type { Config } from '../config/model.js';
import type { Links } from '../system/links.js';
import { heartbeatConfig } from './heartbeat-config.js';
import { beatKey, bootInstance, clusterId, replaceFile, type StateDir } from './state-dir.js';

/** Real-time priority of the heartbeat: above ordinary work, below the kernel's own threads. */
const HEARTBEAT_REALTIME_PRIORITY = 50;

export interface HeartbeatFileOptions {
  config: Config;
  node: string;
  stateDir: StateDir;
  /** Places of the routers in the data plane. */
  slots: readonly { name: string; slot: number }[];
  links: Pick<Links, 'primaryAddress'>;
}

/** Returns the key that this instance signs its beats with. */
export function writeHeartbeatConfig({ config, node, stateDir, slots, links }: HeartbeatFileOptions): string {
  const instance = bootInstance(stateDir);
  const key = beatKey(stateDir, instance);
  const written = heartbeatConfig(config, {
    node,
    instance,
    pinDir: stateDir.pinDir,
    socketPath: stateDir.heartbeatSocket,
    realtimePriority: HEARTBEAT_REALTIME_PRIORITY,
    beatKey: key,
    clusterId: clusterId(config.cluster.name),
    slotOf: (router) => slots.find(({ name }) => name === router)?.slot ?? -1,
    addressOf: (name, family) => links.primaryAddress(name, family),
  });
  replaceFile(stateDir.heartbeatConfig, `${JSON.stringify(written, null, 2)}\n`);
  return key;
}
