/**
 * Rows of `tandem flows`: reads the live table in chunks, giving way to other work between them, until enough rows match.
 */
import type { Config } from '../config/model.js';
import type { Clock } from '../system/clock.js';
import { flowFlag, flowState, recordLayout } from './abi.gen.js';
import type { FlowRow } from './api.js';
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
  let cursor: Buffer | null = null;
  do {
    const chunk = dataPlane.readFlows(cursor, CHUNK_RECORDS);
    for (let offset = 0; offset < chunk.records.length && rows.length < limit; offset += recordLayout.size) {
      const row = flowRow(decodeRecord(chunk.records, offset), origins);
      if (matches(row)) rows.push(row);
    }
    cursor = chunk.cursor;
    await new Promise<void>((resolve) => clock.at(clock.now(), resolve));
  } while (cursor !== null && rows.length < limit);
  return rows;
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
