/**
 * A complete status of a node as the admin socket answers it, for tests of what is made from it.
 */
import type { FlowRow, HistoryRow, NodeStatus, Traffic, TransitionRow } from '../../src/control/status.js';

/** Wall clock of the snapshot. */
export const SNAPSHOT_MS = Date.UTC(2026, 0, 2, 3, 4, 5);

const traffic = (packetsIn: number, newFlows: number): Traffic => ({
  packetsIn,
  bytesIn: packetsIn * 100,
  packetsOut: packetsIn * 2,
  bytesOut: packetsIn * 2000,
  newFlows,
});

export function nodeStatus(): NodeStatus {
  return {
    version: '0.1.0',
    cluster: 'shop',
    node: 'lb1',
    pid: 4711,
    startedAtWallMs: SNAPSHOT_MS - 3_725_000,
    configFile: '/etc/tandem/tandem.yaml',
    configDigest: 'abcdef0123456789'.repeat(4),
    ready: true,
    readyReason: 'synced from lb2',
    inSync: true,
    heartbeat: {
      connected: true,
      pid: 4712,
      realtime: true,
      beats: {
        sent: 700,
        received: 690,
        sendErrors: 2,
        rejected: { tag: 5 },
        lateMaxMs: 1.5,
        isRealtime: true,
        fast: 'on',
        peers: [{ node: 'lb2', isReachable: true, hasKey: true, paths: [true, false], promiseMs: 8 }],
      },
    },
    routers: [
      {
        name: 'front',
        group: 'front',
        vrid: 51,
        slot: 0,
        role: 'active',
        reason: 'peerSilent',
        sinceWallMs: SNAPSHOT_MS - 60_000,
        priority: 200,
        effectivePriority: 200,
        tracked: [],
        leaseRemainingMs: 280,
        leaseAgeMs: 60_000,
        activePeer: null,
        verified: 'yes',
        verifiedAfterMs: 12.5,
        term: 3,
        counters: {
          advertsSent: 600,
          advertsReceived: 40,
          advertsRejected: { ttl: 2, checksum: 1 },
          sendErrors: 3,
          announcementsSent: 10,
          lateWakes: 4,
          leaseLapses: 1,
          conflicts: 0,
          oneWay: 0,
          staleTerms: 0,
          damped: 0,
          transitions: { 'backup:started': 1, 'active:peerSilent: no advert': 2 },
        },
      },
    ],
    tracking: [
      {
        router: 'front',
        fault: null,
        effectivePriority: 150,
        objects: [
          {
            kind: 'process',
            name: 'haproxy',
            weight: -50,
            state: 'down',
            isFault: false,
            reason: 'no process has this name',
            sinceWallMs: SNAPSHOT_MS - 7000,
          },
          {
            kind: 'route',
            name: 'uplink',
            weight: null,
            state: 'up',
            isFault: false,
            reason: 'via 10.1.0.1 by eth0',
            sinceWallMs: SNAPSHOT_MS - 60_000,
          },
          {
            kind: 'script',
            name: '/usr/local/bin/check',
            weight: 20,
            state: 'unknown',
            isFault: false,
            reason: 'not checked yet',
            sinceWallMs: SNAPSHOT_MS,
          },
        ],
      },
    ],
    dataPlane: {
      pinDir: '/sys/fs/bpf/tandem/lb1-0123abcd/v1',
      interfaces: [
        { name: 'eth0', attached: true, mode: 'native', fallbackReason: null },
        { name: 'eth1', attached: true, mode: 'generic', fallbackReason: 'driver has no XDP' },
      ],
      maxFlows: 1_048_576,
      flows: 1234,
      flowTableBytes: 150 * 1024 * 1024,
      drops: { noService: 7, ttl: 0 },
      steered: [{ router: 'front', packets: 8 }],
      foreignClaims: [{ address: '10.1.0.100', interface: 'eth0', mac: '02:00:00:00:66:66', claims: 5 }],
    },
    peers: [
      {
        node: 'lb2',
        address: '10.1.0.12:7946',
        connected: true,
        inSync: true,
        receivedInSync: true,
        state: 'live',
        reason: 'synced',
        sentSequence: 90,
        ackedSequence: 89,
        lagMs: 1.5,
        queuedRecords: 17,
        gaps: 1,
        resyncs: 2,
        recordsSent: 5000,
        recordsReceived: 60,
        digestMatch: true,
        configDigestMatch: false,
        version: '0.1.0',
      },
    ],
    services: [
      {
        name: 'web',
        listen: '10.1.0.100:80/tcp',
        forward: 'nat',
        pool: 'web',
        virtualRouter: 'front',
        usableServers: 1,
        servers: 2,
        traffic: traffic(30, 3),
        byServer: [
          { server: 'be1', traffic: traffic(20, 2) },
          { server: 'be2', traffic: traffic(10, 1) },
        ],
      },
    ],
    pools: [
      {
        name: 'web',
        scheduler: 'maglev',
        generation: 6,
        servers: [
          {
            name: 'be1',
            address: '10.2.0.21:8080',
            weight: 1,
            health: 'up',
            alive: true,
            reason: 'status 200',
            sinceWallMs: SNAPSHOT_MS - 5000,
            nextHop: 'resolved',
            traffic: traffic(20, 2),
          },
          {
            name: 'be2',
            address: '10.2.0.22:8080',
            weight: 3,
            health: 'down',
            alive: false,
            reason: 'connection refused',
            sinceWallMs: SNAPSHOT_MS - 90_000,
            nextHop: 'unresolved',
            traffic: traffic(10, 1),
          },
        ],
      },
    ],
    history: { waiting: 2, dropped: 1 },
    notify: [{ hook: 'pager', waiting: 1, counts: { ok: 5, failed: 2, timeout: 1, dropped: 3 } }],
    metricsAddress: '127.0.0.1:9107',
  };
}

export const flowRows = (): FlowRow[] => [
  {
    protocol: 'tcp',
    client: '10.1.0.50:40001',
    listen: '10.1.0.100:80',
    server: '10.2.0.21:8080',
    state: 'established',
    forward: 'nat',
    idleMs: 90_000,
    origin: 'lb1',
  },
  {
    protocol: 'udp',
    client: '10.1.0.51:5353',
    listen: '10.1.0.100:53',
    server: '10.2.0.22:53',
    state: 'udp',
    forward: 'nat',
    idleMs: 40,
    origin: 'lb2',
  },
];

export const transitionRows = (): TransitionRow[] => [
  { atWallMs: SNAPSHOT_MS - 60_000, router: 'front', from: 'backup', to: 'active', reason: 'peerSilent' },
];

export const historyRows = (): HistoryRow[] => [
  {
    atWallMs: SNAPSHOT_MS - 120_000,
    router: null,
    from: '',
    to: '',
    reason: 'daemon started, version 0.1.0',
    heardMs: null,
    claimMs: null,
    announceMs: null,
    verifiedAfterMs: null,
    priority: null,
    tracked: [],
    flows: null,
  },
  {
    atWallMs: SNAPSHOT_MS - 60_000,
    router: 'front',
    from: 'backup',
    to: 'active',
    reason: 'activeSilent',
    heardMs: 321.5,
    claimMs: 0.42,
    announceMs: 0.11,
    verifiedAfterMs: 22.4,
    priority: 150,
    tracked: ['process haproxy: no process has this name (-50)'],
    flows: 1234,
  },
];
