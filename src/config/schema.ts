/**
 * The configuration, written once: the types of model.ts, the validation, config/tandem.schema.json and docs/configuration.md all come
 * from here. A key is described where it stands: `text` says what it does, `why` gives the reason of its default.
 * Only what one value can say about itself is checked here; relations between values are cross-checks.ts.
 */
import { z } from 'zod';
import { healthSchema } from './health-schema.js';
import { choice, flag, key, list, text } from './keys.js';
import * as limits from './limits.js';
import { notifySchema } from './notify-schema.js';
import { duration, endpoint, integer, interfaceName, ipAddress, ipv4, listen, name, orNull, port } from './scalars.js';
import { trackSchema } from './track-schema.js';

const nodeSchema = z.strictObject({
  address: key(ipv4(), { text: 'Address of the node: its peers reach its replication port there.', example: '10.1.0.11' }),
  heartbeatAddresses: key(
    z
      .array(ipv4(), { error: 'expected a list of IPv4 addresses' })
      .max(limits.MAX_HEARTBEAT_PATHS, { error: `at most ${limits.MAX_HEARTBEAT_PATHS} addresses` })
      .prefault([]),
    {
      text: 'Addresses of the node for beats, one per path, in the same order on every node. A path that does not share the cable of the adverts makes the loss of a link known at once.',
      why: 'none: beats use `address` alone',
      example: ['10.1.0.11', '10.2.0.11'],
    },
  ),
  id: key(integer(1, limits.MAX_NODES).optional(), {
    text: 'Number that marks the records which this node creates, different for each node.',
    why: 'by default nodes are numbered in the order of their names; write it when nodes will be added later, so that numbers stay',
    example: 1,
  }),
});

const fastSchema = z
  .strictObject({
    interval: key(duration({ minMs: 2, maxMs: 100 }).prefault('2ms'), {
      text: 'Time between two beats while fast liveness is on.',
      why: 'the least that a real-time thread keeps on a busy machine',
    }),
    life: key(duration({ minMs: 4, maxMs: 1000 }).prefault('8ms'), {
      text: 'How long a lease lives after the last beat that was sent; peers take over a millisecond later. At least three intervals.',
      why: 'three beats may be lost or late',
    }),
  })
  .transform((v) => ({ intervalMs: v.interval, lifeMs: v.life }));

const heartbeatSchema = z.strictObject({
  port: key(port().prefault(7946), {
    text: 'UDP port of the beats: small authenticated datagrams by which the heartbeats of all nodes hear each other beside the adverts.',
    why: 'the number of the replication port, which is TCP',
  }),
  references: key(
    z
      .array(ipv4(), { error: 'expected a list of IPv4 addresses' })
      .max(limits.MAX_REFERENCES, { error: `at most ${limits.MAX_REFERENCES} addresses` })
      .prefault([]),
    {
      text: 'Addresses that every node should reach (gateways, switches): a node that hears no other node on any path leads only while one of them answers ping. So the half of a broken network that has a way out serves, and the other does not.',
      why: 'none: a node that hears nobody leads, as with any VRRP router; with references the service ends when the peer and all of them are gone at once',
      example: ['10.1.0.1', '10.2.0.1'],
    },
  ),
  fast: key(
    orNull(
      z.union([flag().transform((on) => (on ? fastSchema.parse({}) : null)), fastSchema], {
        error: 'expected true, false or { interval, life }',
      }),
    ),
    {
      text: 'Fast liveness: a crash is noticed in milliseconds, by beats of a real-time thread, instead of after three adverts. `true`, or its times. Used only while that thread is punctual; adverts go on at their interval.',
      why: 'off: it trusts the network between the nodes to lose no four packets in a row',
      example: true,
    },
  ),
});

const tlsSchema = z.strictObject({
  ca: key(text('a file name').prefault('pki/ca.pem'), {
    text: 'Certificate of the cluster CA (PEM). Relative paths start at the configuration file; `{node}` stands for the name of the node.',
    why: 'what `tandem pki init` writes',
  }),
  cert: key(text('a file name').prefault('pki/{node}.pem'), {
    text: 'Certificate of this node (PEM).',
    why: 'what `tandem pki init` writes; one path serves every node',
  }),
  key: key(text('a file name').prefault('pki/{node}.key'), {
    text: 'Private key of this node (PEM).',
    why: 'what `tandem pki init` writes',
  }),
});

const replicationSchema = z.strictObject({
  port: key(port().prefault(7946), {
    text: 'TCP port on which every node accepts its peers, on its `address`.',
    why: 'not in use by common services',
  }),
  tls: key(tlsSchema.prefault({}), { text: 'Mutual TLS between nodes; there is no replication without it.' }),
  queueRecords: key(integer(1024, 16777216).prefault(524288), {
    text: 'Records that may wait for a slow peer before a gap is declared and a resync follows.',
    why: 'about 30 MB of memory, and several seconds at 50,000 new connections per second',
  }),
});

const clusterSchema = z.strictObject({
  name: key(name(), { text: 'Name of the cluster; nodes of another cluster are refused.', example: 'shop' }),
  nodes: key(
    z
      .record(name(), nodeSchema, { error: 'expected nodes by name, such as lb1: { address: 10.1.0.11 }' })
      .refine((nodes) => Object.keys(nodes).length > 0, 'a cluster needs at least one node'),
    { text: 'The nodes, by name. `tandem run --node NAME` says which one a process is.' },
  ),
  heartbeat: key(heartbeatSchema.prefault({}), { text: 'How the heartbeats of the nodes hear each other, beside the adverts.' }),
  replication: key(replicationSchema.prefault({}), { text: 'How nodes copy their connection tables to each other.' }),
});

const timeoutsSchema = z
  .strictObject({
    syn: key(duration({ minMs: 1000 }).prefault('30s'), {
      text: 'A TCP connection whose handshake is not complete.',
      why: 'longer than a client retries a SYN, short enough for a flood of them',
    }),
    established: key(duration({ minMs: 1000 }).prefault('15m'), {
      text: 'An established TCP connection without packets.',
      why: 'the usual value of IPVS; with maglev an older connection is found again by its hash',
    }),
    fin: key(duration({ minMs: 1000 }).prefault('2m'), {
      text: 'A TCP connection that one side has closed.',
      why: 'the usual value of IPVS',
    }),
    closed: key(duration({ minMs: 1000 }).prefault('10s'), {
      text: 'A TCP connection that both sides have closed or that was reset.',
      why: 'late packets of the last round trip still find their server',
    }),
    udp: key(duration({ minMs: 1000 }).prefault('30s'), {
      text: 'A UDP flow without packets.',
      why: 'room for 30,000 one-question flows per second in the default table',
    }),
  })
  .transform((v) => ({ synMs: v.syn, establishedMs: v.established, finMs: v.fin, closedMs: v.closed, udpMs: v.udp }));

const dataPlaneSchema = z
  .strictObject({
    interfaces: key(
      z
        .array(interfaceName(), { error: 'expected a list of interface names' })
        .min(1, { error: 'name at least one interface' })
        .max(limits.MAX_INTERFACES, { error: `at most ${limits.MAX_INTERFACES} interfaces` }),
      { text: 'Interfaces that carry the XDP program: towards the clients and towards the servers.', example: ['eth0', 'eth1'] },
    ),
    attach: key(choice(['auto', 'native', 'generic']).prefault('auto'), {
      text: 'XDP mode. `native` runs in the driver, `generic` in the network stack; `auto` tries native and says when it fell back.',
      why: 'the fastest that the driver can do',
    }),
    maxFlows: key(integer(limits.MIN_MAX_FLOWS, limits.MAX_MAX_FLOWS).prefault(limits.DEFAULT_MAX_FLOWS), {
      text: 'Connections the table can hold. Its memory is taken at start.',
      why: 'a million connections in less than 200 MB',
    }),
    drain: key(duration({ minMs: 100, maxMs: 60_000 }).prefault('3s'), {
      text: 'How long connections with a record are still served after this node lost or gave up the VIP.',
      why: 'switches and neighbours that missed the first gratuitous ARP learn the new place within two repetitions',
    }),
    timeouts: key(timeoutsSchema.prefault({}), { text: 'When an idle record is removed, by the state of its connection.' }),
  })
  .transform(({ drain, ...rest }) => ({ ...rest, drainMs: drain }));

const otherAddressSchema = z.strictObject({
  address: key(ipAddress(), { text: 'The address, for example the default gateway of NAT servers.', example: '10.2.0.1' }),
  interface: key(interfaceName(), { text: 'Interface on which it is answered; one of `dataPlane.interfaces`.', example: 'eth1' }),
});

const announceSchema = z
  .strictObject({
    repeat: key(integer(1, 100).prefault(5), {
      text: 'Announcements (gratuitous ARP, for IPv6 unsolicited Neighbour Advertisements) per address at take-over.',
      why: 'a lost one, or one ignored by a neighbour that just learned another answer, is made good',
    }),
    gap: key(duration({ minMs: 1, maxMs: 60_000 }).prefault('300ms'), {
      text: 'Time between them.',
      why: 'five of them span more than the second for which Linux ignores a second answer',
    }),
    refresh: key(duration({ minMs: 1000 }).prefault('30s'), {
      text: 'Time between later repetitions while active.',
      why: 'below the ageing time of common switches (300 s)',
    }),
  })
  .transform((v) => ({ repeat: v.repeat, repeatGapMs: v.gap, refreshMs: v.refresh }));

const virtualRouterSchema = z
  .strictObject({
    name: key(name(), { text: 'Name of the virtual router.', example: 'front' }),
    id: key(integer(1, 255), {
      text: 'VRID: different from every other virtual router of its address family in the same layer 2 network.',
      example: 51,
    }),
    version: key(z.union([z.literal(2), z.literal(3)], { error: 'expected 2 or 3' }).prefault(3), {
      text: 'Version of VRRP: 3 (RFC 9568) or, for IPv4 beside old routers, 2 (RFC 3768: whole seconds, no authentication). Nothing of the other version is sent or believed.',
      why: 'the current standard, and the only one with intervals below a second',
    }),
    interface: key(interfaceName(), { text: 'Interface of adverts and addresses; one of `dataPlane.interfaces`.', example: 'eth0' }),
    addresses: key(
      z
        .array(ipAddress(), { error: 'expected a list of addresses' })
        .min(1, { error: 'a virtual router needs at least one address' })
        .max(limits.MAX_ADDRESSES_PER_ROUTER, { error: `at most ${limits.MAX_ADDRESSES_PER_ROUTER} addresses` }),
      {
        text: 'The virtual addresses (VIPs), all of one family. Of IPv6 the first one is link-local, the same on every router: RFC 9568 wants it so.',
        example: ['10.1.0.100'],
      },
    ),
    otherAddresses: key(z.array(otherAddressSchema, { error: 'expected a list of { address, interface }' }).prefault([]), {
      text: 'Addresses on other interfaces that move along and are not advertised: the gateway of NAT servers.',
      example: [{ address: '10.2.0.1', interface: 'eth1' }],
    }),
    virtualMac: key(flag().prefault(false), {
      text: 'Answers for these addresses, on every interface where they live, with the virtual MAC 00-00-5E-00-01-ID (IPv6: 00-00-5E-00-02-ID) in place of the MAC of the interface. See [design.md](design.md#virtual-mac-or-the-interfaces-own-mac).',
      why: 'a frame to the MAC of a node can reach that node only; write `true` where neighbours ignore gratuitous ARP, or beside routers that use it',
    }),
    accept: key(flag().prefault(false), {
      text: 'What comes for these addresses and for no service goes to the kernel of the active node, which has them on `lo`: programs on the node can listen there. Ping is answered either way.',
      why: 'the default of VRRP: packets for the addresses are balanced or dropped, and no program of the node is reachable through them',
    }),
    advertInterval: key(
      duration({
        minMs: limits.MIN_ADVERT_INTERVAL_MS,
        maxMs: limits.MAX_VERSION_2_INTERVAL_MS,
        stepMs: limits.ADVERT_INTERVAL_STEP_MS,
      }).prefault('100ms'),
      {
        text: 'Time between two adverts: 10ms to 40.95s in steps of 10ms, in version 2 whole seconds up to 255s. A crash is noticed after three of them.',
        why: 'a take-over in a third of a second without a second thought; 10ms wants real-time scheduling',
      },
    ),
    priority: key(
      z.record(name(), integer(limits.MIN_PRIORITY, limits.OWNER_PRIORITY), {
        error: 'expected priorities by node name, such as { lb1: 200, lb2: 100 }',
      }),
      {
        text: `Priority of every node, 1 to 254; the highest becomes active. 255 is for the owner: the node whose own interface has the addresses. Skew times of two nodes (interval x difference / 256) must differ by ${limits.MIN_SKEW_DISTANCE_MS} ms or more.`,
        example: { lb1: 200, lb2: 100 },
      },
    ),
    preempt: key(flag().prefault(true), {
      text: 'A node with a higher priority takes the addresses back once it is in sync.',
      why: 'the default of VRRP; hand-over loses no connection here',
    }),
    preemptDelay: key(duration({ minMs: 0 }).prefault('0s'), {
      text: 'How long a node waits, once in sync, before it pre-empts.',
      why: 'being in sync is the condition that matters',
    }),
    unicastPeers: key(
      z.record(name(), ipAddress(), { error: 'expected addresses by node name, such as { lb1: 10.1.0.11 }' }).prefault({}),
      {
        text: 'Addresses of all nodes on this interface: adverts are then sent to them instead of the multicast group.',
        why: 'multicast (224.0.0.18, ff02::12) needs no list; networks without multicast (most clouds) need one',
        example: { lb1: '10.1.0.11', lb2: '10.1.0.12' },
      },
    ),
    unicastRouters: key(z.array(ipAddress(), { error: 'expected a list of addresses' }).prefault([]), {
      text: 'Addresses of other routers of the same virtual router that are no nodes of this cluster (keepalived, say): with `unicastPeers` adverts are sent to them, too, and theirs are believed.',
      why: 'a cluster elects among its nodes',
      example: ['10.1.0.13'],
    }),
    unicastSourceCheck: key(flag().prefault(true), {
      text: 'With `unicastPeers`: adverts of anybody else are rejected. `false` believes every sender in the same layer 2 network (TTL 255), as multicast does: for routers that are not in the list.',
      why: 'who is listed is known, and nobody else should decide about the addresses',
    }),
    checksum: key(choice(['rfc9568', 'rfc5798', 'auto']).prefault('rfc9568'), {
      text: 'Checksum of IPv4 adverts of version 3: over the advert alone (`rfc9568`), with a pseudo-header (`rfc5798`), or as in the last advert that was accepted (`auto`). Both forms are accepted, whatever is sent. With keepalived 2.2.7 (Debian 12) as the other router write `rfc5798` or `auto`: it ignores the newer form.',
      why: 'the current standard; `auto` starts with it, so until something was heard from an older router that one does not hear this node',
    }),
    announce: key(announceSchema.prefault({}), { text: 'How the addresses are announced: gratuitous ARP, Neighbour Advertisements.' }),
    verifyAddresses: key(z.array(ipAddress(), { error: 'expected a list of addresses' }).prefault([]), {
      text: 'Neighbours that are asked by an echo from the VIP whether a take-over has arrived.',
      why: 'none: the default gateway of the interface and recent next hops',
      example: ['10.1.0.1'],
    }),
    track: key(list(trackSchema, 'things to track', limits.MAX_TRACKED).prefault([]), {
      text: 'What this node must have to be a good place for the addresses. Something that fails lowers the priority (`weight`) or, without a weight, makes the node give the router up.',
    }),
  })
  .transform(({ advertInterval, preemptDelay, ...rest }) => ({ ...rest, advertIntervalMs: advertInterval, preemptDelayMs: preemptDelay }));

const syncGroupSchema = z.strictObject({
  name: key(name(), { text: 'Name of the group, different from every virtual router outside of it.', example: 'site' }),
  virtualRouters: key(
    z.array(name(), { error: 'expected a list of names of virtual routers' }).min(1, { error: 'name at least one virtual router' }),
    {
      text: 'Virtual routers that move together: one election decides for all of them, and what one cannot hold (its link, its lease) none holds. They agree in `priority`, `advertInterval`, `preempt`, `preemptDelay` and `announce`.',
      example: ['front', 'back'],
    },
  ),
});

const serviceSchema = z
  .strictObject({
    name: key(name(), { text: 'Name of the service.', example: 'web' }),
    listen: key(listen(), { text: 'VIP, port and protocol (`/tcp` when left out).', example: '10.1.0.100:80/tcp' }),
    forward: key(choice(['nat', 'dsr']), {
      text: '`nat`: rewrites address and port; the servers use the node (an address of `otherAddresses`) as their gateway. `dsr`: rewrites MAC addresses only; servers in the same layer 2 network carry the VIP on `lo` and answer the client directly.',
      example: 'nat',
    }),
    pool: key(name(), { text: 'Name of the pool that serves it.', example: 'web' }),
  })
  .transform(({ listen: where, ...rest }) => ({ ...rest, ...where }));

const serverSchema = z
  .strictObject({
    name: key(name(), { text: 'Name of the server.', example: 'be1' }),
    address: key(endpoint(), { text: 'Address and port of the server.', example: '10.2.0.21:8080' }),
    weight: key(integer(0, 256).prefault(1), {
      text: 'Share of new connections compared with the other servers; 0 gives it none.',
      why: 'equal shares',
    }),
    state: key(choice(['ready', 'drain', 'disable']).prefault('ready'), {
      text: '`drain`: no new connections, those in progress go on. `disable`: as if it were down, so `onServerDown` decides about those in progress. `tandem servers drain|disable|enable` says otherwise at run time, until `tandem servers reset`.',
      why: 'a server that is listed is meant to serve',
    }),
    backup: key(flag().prefault(false), {
      text: 'Gets new connections only while no server without `backup` can (all are down, drained, disabled or without weight); all usable backup servers share them then.',
      why: 'every server serves',
    }),
  })
  .transform(({ address: where, ...rest }) => ({ ...rest, ...where }));

const poolSchema = z
  .strictObject({
    name: key(name(), { text: 'Name of the pool.', example: 'web' }),
    scheduler: key(choice(['maglev', 'roundRobin']).prefault('maglev'), {
      text: '`maglev`: by a hash of the connection, the same on every node. `roundRobin`: in turn; each choice must be replicated.',
      why: 'even connections younger than the replication lag survive a crash',
    }),
    servers: key(z.array(serverSchema, { error: 'expected a list of servers' }).min(1, { error: 'a pool needs at least one server' }), {
      text: 'The servers.',
    }),
    healthCheck: key(orNull(healthSchema), {
      text: 'How servers are checked.',
      why: 'without it every server counts as up',
      example: { type: 'tcp' },
    }),
    onServerDown: key(choice(['keep', 'drop']).prefault('keep'), {
      text: 'Connections in progress when their server goes down: `keep` forwards them on, `drop` drops their packets.',
      why: 'a failed check does not prove that a connection is broken',
    }),
    panicThreshold: key(integer(0, 100).prefault(0), {
      text: 'When less than this percentage of the servers that are to serve is up, and no backup is, health counts no more: all of them get new connections, until enough are up again.',
      why: 'a server that fails its checks gets none, whatever that does to the others',
      example: 30,
    }),
    slowStart: key(orNull(duration({ minMs: limits.MIN_SLOW_START_MS, maxMs: limits.MAX_SLOW_START_MS })), {
      text: 'How long a server that comes up or is enabled takes to its full weight, in ten steps from a tenth of it. The servers that a pool starts with have their full weight at once.',
      why: 'full weight at once',
      example: '30s',
    }),
  })
  .transform(({ slowStart, ...rest }) => ({ ...rest, slowStartMs: slowStart }));

const metricsSchema = z
  .strictObject({
    listen: key(endpoint().prefault('127.0.0.1:9107'), {
      text: 'Address and port of `/metrics` and `/healthz`.',
      why: 'loopback: nothing is shown to the network unless it is asked for',
    }),
  })
  .transform((v) => v.listen);

const logSchema = z.strictObject({
  level: key(choice(['trace', 'debug', 'info', 'warn', 'error']).prefault('info'), {
    text: 'Least level that is logged (JSON lines on standard output).',
    why: 'every transition with its reason, and nothing per connection',
  }),
});

export const configSchema = z.strictObject({
  cluster: key(clusterSchema, { text: 'Who belongs together.' }),
  dataPlane: key(dataPlaneSchema, { text: 'The packet path in the kernel.' }),
  virtualRouters: key(
    list(virtualRouterSchema, 'virtual routers', limits.MAX_VIRTUAL_ROUTERS).min(1, { error: 'name at least one virtual router' }),
    { text: 'Addresses that move between nodes, elected by VRRP.' },
  ),
  syncGroups: key(list(syncGroupSchema, 'sync groups', limits.MAX_VIRTUAL_ROUTERS).prefault([]), {
    text: 'Virtual routers that become active on the same node, always.',
    why: 'none: addresses that must move together are better written as `otherAddresses` of one virtual router, unless each needs adverts of its own',
  }),
  services: key(list(serviceSchema, 'services', limits.MAX_SERVICES).prefault([]), { text: 'What listens on the virtual addresses.' }),
  pools: key(list(poolSchema, 'pools', limits.MAX_SERVICES).prefault([]), { text: 'Servers, how one is chosen and how they are checked.' }),
  notify: key(list(notifySchema, 'hooks', limits.MAX_HOOKS).prefault([]), {
    text: 'Commands that are run when something changes, with one JSON document on standard input.',
  }),
  metrics: key(metricsSchema.prefault({}), { text: 'Prometheus metrics.' }),
  log: key(logSchema.prefault({}), { text: 'What is logged.' }),
});

/** One validated document, before names are resolved and the nodes are numbered (build.ts). */
export type ConfigDocument = z.output<typeof configSchema>;
