/**
 * The plan of a lab: who exists, under which names, with which addresses. Pure: everything else in this folder follows from it.
 *
 *                      client side 10.1.0.0/24                      server side 10.2.0.0/24
 *   cl1 .51 ----- c-cl1 |        | c-lb1 ----- eth0 lb1 eth1 ----- s-lb1 |        |
 *                       | bridge |             .11      .11              | bridge | s-be1 ----- eth0 be1 .21
 *                       | c-net  | c-lb2 ----- eth0 lb2 eth1 ----- s-lb2 | s-net  | s-be2 ----- eth0 be2 .22
 *                       |        |             .12      .12              |        |
 *                       |        | c-be1 ----- eth1 be1 .21 (DSR leg)
 *
 * Both bridges live in one switch namespace, so that one capture sees everything. The VIP is 10.1.0.100; the servers' gateway is the
 * inner VIP 10.2.0.1. Every server has a second leg on the client side for DSR: there it carries the VIP on lo (arp_ignore=1,
 * arp_announce=2), gets frames by its MAC and answers clients directly. What it sends from its server-side address leaves through the
 * inner VIP (a routing rule by source address), as NAT needs it.
 */

export const VIP = '10.1.0.100';
export const INNER_VIP = '10.2.0.1';
export const PREFIX_LENGTH = 24;
export const VRID = 51;

/** The virtual IPv6 router of a lab with IPv6: the link-local address comes first in its advertisements, and names the VRID. */
export const VIP6 = 'fd00:1::100';
export const VIP6_LINK_LOCAL = 'fe80::33';
export const PREFIX_LENGTH6 = 64;

/** Ports of the workload, the same at the VIP and at the servers, except for `web`. */
export const PORTS = {
  /** TCP echo, after a greeting that names the server. */
  echo: 7000,
  /** UDP echo. */
  probe: 7001,
  /** TCP: as `echo`, and the server also speaks by itself when it is told to. */
  speak: 7002,
  /** TCP echo by direct server return. */
  direct: 7100,
  /** UDP echo by direct server return. */
  directProbe: 7101,
  /** HTTP at the VIP. */
  web: 80,
  /** HTTP at the servers. */
  webServer: 8080,
} as const;

export interface Leg {
  /** Interface inside the machine. */
  interface: string;
  /** Port of the switch at the other end. */
  port: string;
  side: 'client' | 'server';
  address: string;
  mac: string;
  /** Only in a lab with IPv6, and there on the client side of nodes and clients. */
  ipv6: { address: string; linkLocal: string } | null;
}

export interface Machine {
  name: string;
  kind: 'node' | 'server' | 'client';
  namespace: string;
  legs: Leg[];
}

export interface Plan {
  prefix: string;
  switchNamespace: string;
  nodes: Machine[];
  servers: Machine[];
  clients: Machine[];
}

export interface Size {
  nodes: number;
  servers: number;
  clients: number;
}

export interface Extras {
  /**
   * Nodes and clients also speak IPv6 on the client side: fd00:1::<host> and fe80::<host>, no duplicate address detection, no router
   * solicitation, so that a capture holds what the tests caused.
   */
  ipv6: boolean;
}

const hex = (value: number): string => value.toString(16).padStart(2, '0');

/** Locally administered; readable in a capture: 02:<kind>:00:00:<leg>:<number>. */
const mac = (kind: number, leg: number, number: number): string => `02:${hex(kind)}:00:00:${hex(leg)}:${hex(number)}`;

const clientSide = (name: string, netInterface: string, host: number, macAddress: string): Leg => ({
  interface: netInterface,
  port: `c-${name}`,
  side: 'client',
  address: `10.1.0.${host}`,
  mac: macAddress,
  ipv6: null,
});

const withIpv6 = (leg: Leg, host: number): Leg => ({ ...leg, ipv6: { address: `fd00:1::${host}`, linkLocal: `fe80::${host}` } });

const serverSide = (name: string, netInterface: string, host: number, macAddress: string): Leg => ({
  interface: netInterface,
  port: `s-${name}`,
  side: 'server',
  address: `10.2.0.${host}`,
  mac: macAddress,
  ipv6: null,
});

const range = (count: number): number[] => Array.from({ length: count }, (_, index) => index + 1);

/** Hosts .11, .21 and .51 count upwards, so that at most nine nodes and thirty servers fit. */
const LIMITS: Size = { nodes: 9, servers: 30, clients: 9 };

export function planLab(prefix: string, size: Size, { ipv6 }: Extras = { ipv6: false }): Plan {
  for (const kind of ['nodes', 'servers', 'clients'] as const) {
    if (size[kind] > LIMITS[kind]) throw new RangeError(`at most ${LIMITS[kind]} ${kind} fit into a lab, not ${size[kind]}`);
  }
  const machine = (kind: Machine['kind'], name: string, legs: Leg[]): Machine => ({ name, kind, namespace: `${prefix}-${name}`, legs });
  const speaking = (leg: Leg, host: number): Leg => (ipv6 ? withIpv6(leg, host) : leg);
  return {
    prefix,
    switchNamespace: `${prefix}-sw`,
    nodes: range(size.nodes).map((n) =>
      machine('node', `lb${n}`, [
        speaking(clientSide(`lb${n}`, 'eth0', 10 + n, mac(1, 0, n)), 10 + n),
        serverSide(`lb${n}`, 'eth1', 10 + n, mac(1, 1, n)),
      ]),
    ),
    servers: range(size.servers).map((n) =>
      machine('server', `be${n}`, [serverSide(`be${n}`, 'eth0', 20 + n, mac(2, 0, n)), clientSide(`be${n}`, 'eth1', 20 + n, mac(2, 1, n))]),
    ),
    clients: range(size.clients).map((n) =>
      machine('client', `cl${n}`, [speaking(clientSide(`cl${n}`, 'eth0', 50 + n, mac(3, 0, n)), 50 + n)]),
    ),
  };
}

export const machines = (plan: Plan): Machine[] => [...plan.nodes, ...plan.servers, ...plan.clients];

export const namespaces = (plan: Plan): string[] => [plan.switchNamespace, ...machines(plan).map((m) => m.namespace)];

/** Name of the node that owns a MAC address. */
export function nodeOfMac(plan: Plan, macAddress: string): string | null {
  return plan.nodes.find((node) => node.legs.some((leg) => leg.mac === macAddress))?.name ?? null;
}

export function legOn(machine: Machine, side: Leg['side']): Leg {
  const leg = machine.legs.find((l) => l.side === side);
  if (leg === undefined) throw new Error(`${machine.name} has no leg on the ${side} side`);
  return leg;
}

/** One step of building: lines of `ip -batch`, or a shell script, run in the namespace (null: outside). */
export interface BuildStep {
  namespace: string | null;
  script: string;
}

const heredoc = (lines: string[]): string => `ip -batch - <<'EOF'\n${lines.join('\n')}\nEOF`;

/** Kernel settings of each kind. IPv6 would only add noise to captures: it is on where a lab is asked for it, and there it is quiet. */
const COMMON_SYSCTLS = { 'ipv6/conf/all/disable_ipv6': 1, 'ipv6/conf/default/disable_ipv6': 1 };
const KIND_SYSCTLS: Record<Machine['kind'], Record<string, string | number>> = {
  node: { 'ipv4/ip_forward': 1, 'ipv4/conf/all/rp_filter': 0, 'ipv4/conf/default/rp_filter': 0 },
  server: {
    'ipv4/conf/all/rp_filter': 0,
    'ipv4/conf/default/rp_filter': 0,
    'ipv4/conf/all/arp_ignore': 1,
    'ipv4/conf/all/arp_announce': 2,
    'core/somaxconn': 4096,
    'ipv4/tcp_max_syn_backlog': 8192,
  },
  // More connections from one address than the default port range comfortably holds.
  client: { 'ipv4/ip_local_port_range': '10000 60999', 'ipv4/tcp_tw_reuse': 1 },
};

const sysctls = (values: Record<string, string | number>): string =>
  Object.entries(values)
    .map(([key, value]) => `echo '${value}' > /proc/sys/net/${key}`)
    .join('\n');

/** Namespaces first; `ip -batch` makes all of them in a few milliseconds. */
export const createNamespaces = (plan: Plan): BuildStep => ({
  namespace: null,
  script: heredoc(namespaces(plan).map((name) => `netns add ${name}`)),
});

/**
 * A switch does not look into packets: without this (where br_netfilter is loaded) the kernel drops broken ones before they reach a node.
 */
const BLIND_BRIDGES = 'for file in /proc/sys/net/bridge/bridge-nf-call-*; do if [ -e "$file" ]; then echo 0 > "$file"; fi; done';

/** The switch: two bridges without spanning tree, and every cable. */
export function buildSwitch(plan: Plan): BuildStep {
  const lines = ['link set lo up'];
  for (const bridge of ['c-net', 's-net']) {
    lines.push(`link add ${bridge} type bridge stp_state 0 forward_delay 0 mcast_snooping 0`, `link set ${bridge} up`);
  }
  for (const machine of machines(plan)) {
    for (const leg of machine.legs) {
      lines.push(`link add ${leg.port} type veth peer name ${leg.interface} netns ${machine.namespace} address ${leg.mac}`);
      lines.push(`link set ${leg.port} master ${leg.side === 'client' ? 'c-net' : 's-net'} up`);
    }
  }
  return { namespace: plan.switchNamespace, script: [sysctls(COMMON_SYSCTLS), BLIND_BRIDGES, heredoc(lines), nodePorts(plan)].join('\n') };
}

/**
 * Towards nodes: without transmit checksum offload, because XDP sees what is on the wire and an unfinished checksum cannot be updated
 * incrementally; with GRO, because that gives the veth peer the NAPI that native XDP redirects into.
 */
function nodePorts(plan: Plan): string {
  return plan.nodes.flatMap((node) => node.legs.map((leg) => `ethtool -K ${leg.port} tx off gro on > /dev/null`)).join('\n');
}

/** Before the link is up: without addresses of the kernel's own making, detection of duplicates, router solicitations. */
const ipv6Sysctls = ({ interface: name, ipv6 }: Leg): Record<string, number> =>
  ipv6 === null
    ? {}
    : {
        [`ipv6/conf/${name}/addr_gen_mode`]: 1,
        [`ipv6/conf/${name}/accept_dad`]: 0,
        [`ipv6/conf/${name}/dad_transmits`]: 0,
        [`ipv6/conf/${name}/accept_ra`]: 0,
        [`ipv6/conf/${name}/router_solicitations`]: 0,
        [`ipv6/conf/${name}/disable_ipv6`]: 0,
      };

/** Addresses and routes inside one machine; its interfaces exist already. */
export function configureMachine(machine: Machine): BuildStep {
  const lines = ['link set lo up'];
  const settings: Record<string, string | number> = { ...COMMON_SYSCTLS, ...KIND_SYSCTLS[machine.kind] };
  for (const leg of machine.legs) {
    Object.assign(settings, ipv6Sysctls(leg));
    lines.push(`addr add ${leg.address}/${PREFIX_LENGTH} dev ${leg.interface}`, `link set ${leg.interface} up`);
    for (const address of leg.ipv6 === null ? [] : [leg.ipv6.linkLocal, leg.ipv6.address]) {
      lines.push(`addr add ${address}/${PREFIX_LENGTH6} dev ${leg.interface} nodad`);
    }
  }
  if (machine.kind === 'server') {
    const { address, interface: inner } = legOn(machine, 'server');
    lines.push(`addr add ${VIP}/32 dev lo`, `route add default via ${INNER_VIP} dev ${inner}`);
    lines.push(`route add 10.2.0.0/${PREFIX_LENGTH} dev ${inner} table 100`, `route add default via ${INNER_VIP} dev ${inner} table 100`);
    lines.push(`rule add from ${address} table 100`);
  }
  return { namespace: machine.namespace, script: `${sysctls(settings)}\n${heredoc(lines)}` };
}
