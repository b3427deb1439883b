/**
 * A small configuration as an object: one router, a NAT service and a DSR service on one pool. Tests change what they are about.
 */
import type { Config, PoolConfig, ServerConfig, ServiceConfig } from '../../src/config/model.js';

export function sampleServer(changes: Partial<ServerConfig> & Pick<ServerConfig, 'name' | 'address'>): ServerConfig {
  return { port: 8080, weight: 1, state: 'ready', backup: false, ...changes };
}

export const samplePool: PoolConfig = {
  name: 'web',
  scheduler: 'maglev',
  servers: [sampleServer({ name: 'be1', address: '10.2.0.21' }), sampleServer({ name: 'be2', address: '10.2.0.22' })],
  healthCheck: null,
  onServerDown: 'keep',
  panicThreshold: 0,
  slowStartMs: null,
};

export const sampleService: ServiceConfig = {
  name: 'web',
  address: '10.1.0.100',
  port: 80,
  protocol: 'tcp',
  forward: 'nat',
  pool: 'web',
  virtualRouter: 'front',
} as ServiceConfig;

export function sampleConfig(changes: Partial<Config> = {}): Config {
  const config = {
    file: '/etc/tandem/tandem.yaml',
    digest: '00',
    cluster: {
      name: 'shop',
      nodes: [
        { name: 'lb1', id: 1, address: '10.1.0.11', heartbeatAddresses: ['10.1.0.11'] },
        { name: 'lb2', id: 2, address: '10.1.0.12', heartbeatAddresses: ['10.1.0.12'] },
      ],
      heartbeat: { port: 7946, fast: null, references: [] },
      replication: { port: 7946, tls: { ca: '/ca.pem', cert: '/node.pem', key: '/node.key' }, queueRecords: 1000 },
    },
    dataPlane: {
      interfaces: ['eth0', 'eth1'],
      attach: 'auto',
      maxFlows: 1024,
      drainMs: 1000,
      timeouts: { synMs: 60_000, establishedMs: 900_000, finMs: 120_000, closedMs: 10_000, udpMs: 180_000 },
    },
    syncGroups: [],
    virtualRouters: [
      {
        name: 'front',
        id: 51,
        version: 3,
        interface: 'eth0',
        addresses: ['10.1.0.100'],
        otherAddresses: [{ address: '10.2.0.1', interface: 'eth1' }],
        virtualMac: false,
        accept: false,
        advertIntervalMs: 100,
        priority: { lb1: 200, lb2: 100 },
        preempt: true,
        preemptDelayMs: 0,
        unicastSourceCheck: true,
        unicastPeers: {},
        unicastRouters: [],
        checksum: 'rfc9568',
        announce: { repeat: 5, repeatGapMs: 100, refreshMs: 60_000 },
        verifyAddresses: [],
        track: [],
      },
    ],
    services: [sampleService],
    pools: [samplePool],
    notify: [],
    metrics: { address: '127.0.0.1', port: 9107 },
    log: { level: 'info' },
  } as Config;
  return { ...config, ...changes };
}
