/**
 * The configuration after validation: defaults filled in, durations in milliseconds, addresses as dotted strings. The shapes come from
 * schema.ts (one source); what is written here is what build.ts adds: nodes as a numbered list sorted by name, absolute file names, and
 * the virtual router of each service. Everything else keeps the order of the file, which is the same on every node.
 */
import type { HealthCheckConfig } from './health-model.js';
import type { ConfigDocument } from './schema.js';
import type { TrackConfig } from './track-schema.js';

export type { HealthCheckConfig, TrackConfig };

type DocumentCluster = ConfigDocument['cluster'];
type DocumentService = ConfigDocument['services'][number];

export interface NodeConfig {
  name: string;
  /** 1..255, from the order of names unless given: marks the records that this node creates. */
  id: number;
  address: string;
  /** One per path; at least `address`. */
  heartbeatAddresses: string[];
}

/** `replication.tls` holds absolute file names; `{node}` in them was replaced when loadConfig was told the node. */
export type ClusterConfig = Omit<DocumentCluster, 'nodes'> & { nodes: NodeConfig[] };
export type DataPlaneConfig = ConfigDocument['dataPlane'];
/** `priority` and `unicastPeers` are by node name; no unicast peers: multicast 224.0.0.18. */
export type VirtualRouterConfig = Omit<ConfigDocument['virtualRouters'][number], 'track'> & { track: TrackConfig[] };
/** `virtualRouter`: name of the one whose address it listens on. */
export type SyncGroupConfig = ConfigDocument['syncGroups'][number];
export type ServiceConfig = DocumentService & { virtualRouter: string };
export type PoolConfig = Omit<ConfigDocument['pools'][number], 'healthCheck'> & { healthCheck: HealthCheckConfig | null };
export type SchedulerName = PoolConfig['scheduler'];
export type ServerConfig = PoolConfig['servers'][number];
export type NotifyConfig = ConfigDocument['notify'][number];
export type MetricsConfig = ConfigDocument['metrics'];

export interface Config {
  /** Absolute path of the file it came from; relative paths inside were resolved against its directory. */
  file: string;
  /** SHA-256 (hex) of the content, whatever its formatting, comments and place: nodes compare it. */
  digest: string;
  cluster: ClusterConfig;
  dataPlane: DataPlaneConfig;
  virtualRouters: VirtualRouterConfig[];
  syncGroups: SyncGroupConfig[];
  services: ServiceConfig[];
  pools: PoolConfig[];
  notify: NotifyConfig[];
  metrics: MetricsConfig;
  log: ConfigDocument['log'];
}
