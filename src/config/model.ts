/**
 * The configuration after validation: defaults filled in, durations in milliseconds, sizes in bytes, addresses as dotted strings.
 * src/config/schema.ts produces exactly this. Names sort the same on every node.
 */
export interface Config {
  /** Absolute path of the file it came from; relative paths inside were resolved against its directory. */
  file: string;
  /** SHA-256 (hex) of the parsed content: nodes compare it. */
  digest: string;
  cluster: ClusterConfig;
  dataPlane: DataPlaneConfig;
  virtualRouters: VirtualRouterConfig[];
  services: ServiceConfig[];
  pools: PoolConfig[];
  metrics: MetricsConfig;
  log: { level: 'trace' | 'debug' | 'info' | 'warn' | 'error' };
}

export interface NodeConfig {
  name: string;
  /** 1..255, from the order of names unless given: marks the records that this node creates. */
  id: number;
  address: string;
}

export interface ClusterConfig {
  name: string;
  nodes: NodeConfig[];
  replication: {
    port: number;
    tls: { ca: string; cert: string; key: string };
    /** Records queued for a peer before a gap is declared and a resync follows. */
    queueRecords: number;
  };
}

export interface DataPlaneConfig {
  interfaces: string[];
  attach: 'auto' | 'native' | 'generic';
  maxFlows: number;
  /** How long flows with a record are served after the lease has gone. */
  drainMs: number;
  timeouts: { synMs: number; establishedMs: number; finMs: number; closedMs: number; udpMs: number };
}

export interface VirtualRouterConfig {
  name: string;
  /** VRID, 1..255. */
  id: number;
  interface: string;
  addresses: string[];
  otherAddresses: { address: string; interface: string }[];
  advertIntervalMs: number;
  /** By node name. */
  priority: Record<string, number>;
  preempt: boolean;
  preemptDelayMs: number;
  /** Empty: multicast 224.0.0.18. Otherwise adverts go to the other nodes' entries. By node name. */
  unicastPeers: Record<string, string>;
  /** Gratuitous ARP: this many at take-over, then one burst every `refreshMs`. */
  announce: { repeat: number; repeatGapMs: number; refreshMs: number };
  /** Addresses asked by an echo from the VIP to verify a take-over; empty: the interface's default gateway and recent next hops. */
  verifyAddresses: string[];
}

export interface ServiceConfig {
  name: string;
  address: string;
  port: number;
  protocol: 'tcp' | 'udp';
  forward: 'nat' | 'dsr';
  pool: string;
  /** Name of the virtual router whose address it listens on. */
  virtualRouter: string;
}

export type SchedulerName = 'maglev' | 'roundRobin';

export interface ServerConfig {
  name: string;
  address: string;
  port: number;
  weight: number;
}

export interface PoolConfig {
  name: string;
  scheduler: SchedulerName;
  servers: ServerConfig[];
  healthCheck: HealthCheckConfig | null;
  /** Flows in progress when their server goes down: keep (the server may recover) or drop. */
  onServerDown: 'keep' | 'drop';
}

export interface HealthCheckConfig {
  type: 'tcp' | 'http';
  intervalMs: number;
  timeoutMs: number;
  rise: number;
  fall: number;
  /** http only. */
  path: string;
  /** http only: accepted statuses. */
  status: number[];
  /** http only: text the body (first 64 KiB) must contain; null: any. */
  body: string | null;
  /** http only: Host header; null: the server's address. */
  host: string | null;
  /** Port asked instead of the server's own; null: the server's. */
  port: number | null;
}

export interface MetricsConfig {
  /** Listening address of /metrics, e.g. 127.0.0.1:9107. */
  address: string;
  port: number;
}
