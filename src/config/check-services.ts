/**
 * Cross-checks of services, pools and servers: what would send packets into the void, or back past the node. Pure.
 */
import { checkHealth, checkHealthOfUdp } from './check-health.js';
import { MAX_SERVER_SLOTS, MAX_SERVICES_PER_ENDPOINT } from './limits.js';
import { suggestion } from './nearest.js';
import { checkUnique, type Report } from './report.js';
import type { ConfigDocument } from './schema.js';
import type { Path } from './source.js';

type Service = ConfigDocument['services'][number];
type Pool = ConfigDocument['pools'][number];
type Router = ConfigDocument['virtualRouters'][number];

/** Without the machine's own prefix lengths this is the network an address is taken to lie in. */
const ASSUMED_NETWORK = /^(\d+\.\d+\.\d+)\./;
const networkOf = (address: string): string => ASSUMED_NETWORK.exec(address)?.[1] ?? address;

/** A server that, by the look of its address, shares the VIP's network. */
export function nearServer<T extends { address: string }>(servers: readonly T[], vip: string): T | undefined {
  return servers.find((server) => networkOf(server.address) === networkOf(vip));
}

export function checkServices(config: ConfigDocument, report: Report): void {
  checkListens(config.services, report);
  for (const [i, service] of config.services.entries()) checkService(config, service, ['services', i], report);
  for (const [i, pool] of config.pools.entries()) checkPool(config, pool, ['pools', i], report);
  checkEndpoints(config, report);
}

export const routerOf = (routers: readonly Router[], address: string): Router | undefined =>
  routers.find((router) => router.addresses.includes(address));

export const listenText = (service: Service): string => `${service.address}:${service.port}/${service.protocol}`;

function checkListens(services: readonly Service[], report: Report): void {
  services.forEach((service, i) => {
    const earlier = services.slice(0, i).find((other) => listenText(other) === listenText(service));
    if (earlier) report.error(['services', i, 'listen'], 'value', `service "${earlier.name}" listens on ${listenText(service)} already`);
  });
}

function checkService(config: ConfigDocument, service: Service, path: Path, report: Report): void {
  const router = routerOf(config.virtualRouters, service.address);
  if (router === undefined) {
    const vips = config.virtualRouters.flatMap((each) => each.addresses);
    report.error(
      [...path, 'listen'],
      'value',
      `no virtual router has the address ${service.address}; ${suggestion(service.address, vips, 'virtual addresses')}`,
    );
  }
  const pool = config.pools.find((each) => each.name === service.pool);
  if (pool === undefined) {
    const pools = config.pools.map((each) => each.name);
    report.error([...path, 'pool'], 'value', `unknown pool "${service.pool}"; ${suggestion(service.pool, pools, 'pools')}`);
    return;
  }
  if (service.forward === 'dsr') checkDsr(config, service, pool, report);
  else if (router !== undefined) checkNat(config, service, pool, router, path, report);
  if (service.protocol === 'udp') checkUdp(config, service, pool, path, report);
}

function checkDsr(config: ConfigDocument, service: Service, pool: Pool, report: Report): void {
  const at = config.pools.indexOf(pool);
  pool.servers.forEach((server, i) => {
    if (server.port === service.port) return;
    report.error(
      ['pools', at, 'servers', i, 'address'],
      'value',
      `port ${server.port} differs from port ${service.port} of service "${service.name}", which forwards by dsr and cannot change ports; use ${server.address}:${service.port} or \`forward: nat\``,
    );
  });
}

/** The addresses that the servers can use as their gateway lie with the router itself, or with one of its sync group. */
const movesWithOthers = (config: ConfigDocument, router: Router): boolean =>
  router.otherAddresses.length > 0 ||
  config.syncGroups.some((group) => group.virtualRouters.includes(router.name) && group.virtualRouters.length > 1);

function checkNat(config: ConfigDocument, service: Service, pool: Pool, router: Router, path: Path, report: Report): void {
  const near = nearServer(pool.servers, service.address);
  if (near !== undefined) {
    report.warning(
      [...path, 'forward'],
      'value',
      `server "${near.name}" (${near.address}) seems to be in the network of the VIP: it would answer clients of that network past this node and their connections would hang; use \`forward: dsr\` or a network of its own`,
    );
  } else if (!movesWithOthers(config, router)) {
    report.warning(
      [...path, 'forward'],
      'value',
      `virtual router "${router.name}" has no otherAddresses: the servers of pool "${pool.name}" need a gateway that moves along with the VIP (there, or in a virtual router of the same sync group), or their replies miss the node after a take-over`,
    );
  }
}

function checkUdp(config: ConfigDocument, service: Service, pool: Pool, path: Path, report: Report): void {
  if (pool.healthCheck === null) return;
  const at: Path = ['pools', config.pools.indexOf(pool), 'healthCheck'];
  checkHealthOfUdp(pool.healthCheck, at, `"${service.name}" (${String(path.join('.'))})`, report);
}

function checkPool(config: ConfigDocument, pool: Pool, path: Path, report: Report): void {
  const servers = [...path, 'servers'];
  checkUnique(pool.servers, (server) => server.name, servers, 'name', 'server', report);
  checkUnique(pool.servers, (server) => `${server.address}:${server.port}`, servers, 'address', 'server', report);
  pool.servers.forEach((server, i) => {
    const router = config.virtualRouters.find((each) =>
      [...each.addresses, ...each.otherAddresses.map((o) => o.address)].includes(server.address),
    );
    if (router)
      report.error(
        [...servers, i, 'address'],
        'value',
        `${server.address} is an address of virtual router "${router.name}"; a server has its own address`,
      );
  });
  checkUsable(pool, servers, report);
  if (pool.healthCheck === null && pool.panicThreshold > 0)
    report.warning(
      [...path, 'panicThreshold'],
      'key',
      `without \`healthCheck\` every server of pool "${pool.name}" counts as up, so \`panicThreshold\` does nothing`,
    );
  if (pool.healthCheck !== null) checkHealth(pool.healthCheck, [...path, 'healthCheck'], report);
  if (!config.services.some((service) => service.pool === pool.name))
    report.warning([...path, 'name'], 'value', `no service uses pool "${pool.name}"`);
}

function checkUsable(pool: Pool, servers: Path, report: Report): void {
  if (pool.servers.every((server) => server.weight === 0))
    report.warning(servers, 'key', 'every server has weight 0: nothing new would be served');
  else if (pool.servers.every((server) => server.weight === 0 || server.state !== 'ready'))
    report.warning(servers, 'key', 'every server is drained, disabled or has weight 0: nothing new would be served');
  if (pool.servers.every((server) => server.backup))
    report.error(
      [...servers, 0, 'backup'],
      'key',
      `every server of pool "${pool.name}" is a backup, of nobody; take \`backup\` away from those that serve ordinarily`,
    );
}

/** A reply is told by its server's address and port: only so many services can share one. */
function checkEndpoints(config: ConfigDocument, report: Report): void {
  const uses = new Map<string, number>();
  let slots = 1;
  for (const service of config.services) {
    const servers = config.pools.find((pool) => pool.name === service.pool)?.servers ?? [];
    slots += servers.length;
    for (const server of servers) {
      const endpoint = `${server.address}:${server.port}/${service.protocol}`;
      uses.set(endpoint, (uses.get(endpoint) ?? 0) + 1);
    }
  }
  for (const [endpoint, count] of uses) {
    if (count > MAX_SERVICES_PER_ENDPOINT)
      report.error(['services'], 'key', `${count} services share the server ${endpoint}; at most ${MAX_SERVICES_PER_ENDPOINT} can`);
  }
  if (slots > MAX_SERVER_SLOTS)
    report.error(['services'], 'key', `${slots - 1} servers over all services; the data plane holds ${MAX_SERVER_SLOTS - 1}`);
}
