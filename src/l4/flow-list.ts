/**
 * Rows of `tandem flows`, and how many flows servers have: reads the live table in chunks, giving way to other work between them.
 */
import type { Config } from '../config/model.js';
import type { Clock } from '../system/clock.js';
import { flowFlag, flowState, recordLayout } from './abi.gen.js';
import type { FlowRow } from './api.js';
import { serverId, serviceId } from './contents.js';
import type { DataPlane } from './native.js';
import { decodeRecord, type FlowRecord, originId } from './records.js';

/** All given ones must match. */
export interface FlowFilter {
  /** Name of a service. */
  service?: string;
  /** Name, address or address:port of a server. */
  server?: string;
  /** Address or address:port. */
  client?: string;
  /** As FlowRow.state. */
  state?: string;
}

/** About a millisecond of work. */
const CHUNK_RECORDS = 2048;

const stateNames = new Map<number, string>(Object.entries(flowState).map(([name, number]) => [number, name]));

/** Calls `look` for every record, in chunks, until it says false. */
async function eachRecord(dataPlane: Pick<DataPlane, 'readFlows'>, clock: Clock, look: (record: FlowRecord) => boolean): Promise<void> {
  let cursor: Buffer | null = null;
  let goesOn = true;
  do {
    const chunk = dataPlane.readFlows(cursor, CHUNK_RECORDS);
    for (let offset = 0; goesOn && offset < chunk.records.length; offset += recordLayout.size)
      goesOn = look(decodeRecord(chunk.records, offset));
    cursor = chunk.cursor;
    await new Promise<void>((resolve) => clock.at(clock.now(), resolve));
  } while (cursor !== null && goesOn);
}

export async function listFlows(
  dataPlane: Pick<DataPlane, 'readFlows'>,
  config: Config,
  clock: Clock,
  filter: FlowFilter,
  limit: number,
): Promise<FlowRow[]> {
  const rows: FlowRow[] = [];
  const matches = matcher(config, filter);
  const origins = new Map(config.cluster.nodes.map((node) => [node.id, node.name]));
  await eachRecord(dataPlane, clock, (record) => {
    const row = flowRow(record, origins);
    if (matches(row)) rows.push(row);
    return rows.length < limit;
  });
  return rows;
}

/** Flows to each of these servers, over all services of its pool, that can still carry something: those closed on both sides are not counted. */
export async function countFlows(
  dataPlane: Pick<DataPlane, 'readFlows'>,
  config: Config,
  clock: Clock,
  servers: readonly { pool: string; address: string; port: number }[],
): Promise<number[]> {
  const counts = servers.map(() => 0);
  const indexes = new Map<string, number>();
  servers.forEach(({ pool, address, port }, index) => {
    for (const service of config.services.filter((each) => each.pool === pool))
      indexes.set(serverId(serviceId(service), { address, port }), index);
  });
  await eachRecord(dataPlane, clock, ({ key, serverAddress, serverPort, state }) => {
    if (state === flowState.closed) return true;
    const service = serviceId({ address: key.vipAddress, port: key.vipPort, protocol: key.protocol });
    const index = indexes.get(serverId(service, { address: serverAddress, port: serverPort }));
    if (index !== undefined) counts[index] = (counts[index] ?? 0) + 1;
    return true;
  });
  return counts;
}

function flowRow(record: FlowRecord, origins: ReadonlyMap<number, string>): FlowRow {
  const { key, generation } = record;
  const origin = originId(generation);
  return {
    protocol: key.protocol,
    client: `${key.clientAddress}:${key.clientPort}`,
    listen: `${key.vipAddress}:${key.vipPort}`,
    server: `${record.serverAddress}:${record.serverPort}`,
    state: stateNames.get(record.state) ?? `state ${record.state}`,
    forward: (record.flags & flowFlag.dsr) !== 0 ? 'dsr' : 'nat',
    idleMs: record.ageMs,
    origin: origins.get(origin) ?? `node ${origin}`,
  };
}

function matcher(config: Config, filter: FlowFilter): (row: FlowRow) => boolean {
  const services = new Set(
    config.services
      .filter((service) => service.name === filter.service)
      .map((service) => `${service.address}:${service.port}/${service.protocol}`),
  );
  const servers = new Set(
    config.pools
      .flatMap((pool) => pool.servers)
      .filter((server) => server.name === filter.server)
      .map((server) => `${server.address}:${server.port}`),
  );
  const isAt = (wanted: string, endpoint: string): boolean =>
    endpoint === wanted || endpoint.slice(0, endpoint.lastIndexOf(':')) === wanted;
  return (row) =>
    (filter.service === undefined || services.has(`${row.listen}/${row.protocol}`)) &&
    (filter.server === undefined || servers.has(row.server) || isAt(filter.server, row.server)) &&
    (filter.client === undefined || isAt(filter.client, row.client)) &&
    (filter.state === undefined || filter.state === row.state);
}
