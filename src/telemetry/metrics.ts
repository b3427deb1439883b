/**
 * Fills the metrics from a status snapshot at the moment of a scrape: nothing is counted here. Counters take the total they are told, so
 * they go back only when what counted them started anew, which is what Prometheus expects of a counter.
 */
import { Counter, collectDefaultMetrics, Gauge, Registry } from 'prom-client';
import type { NodeStatus, Traffic } from '../control/status.js';
import { type MetricLabels, type MetricName, metricTable } from './metric-table.js';

const ROLES = ['initialize', 'backup', 'active'] as const;
const HEALTH_STATES = ['up', 'down', 'unknown', 'unchecked'] as const;
const ADMIN_STATES = ['ready', 'drain', 'disable'] as const;
const MS_PER_SECOND = 1000;

export interface MetricsSource {
  status(): NodeStatus | Promise<NodeStatus>;
  logLinesDropped?(): number;
}

export interface Metrics {
  contentType: string;
  /** The text exposition of one fresh snapshot. */
  render(): Promise<string>;
}

export type Put = <N extends MetricName>(name: N, labels: Record<MetricLabels<N>, string>, value: number) => void;

export function createMetrics(source: MetricsSource): Metrics {
  const registry = new Registry();
  const series = new Map<MetricName, Gauge | Counter>();
  for (const name of Object.keys(metricTable) as MetricName[]) {
    const { type, help, labels } = metricTable[name];
    const options = { name, help, labelNames: [...labels], registers: [registry] };
    series.set(name, type === 'gauge' ? new Gauge(options) : new Counter(options));
  }
  addProcessMetrics(registry);
  const put: Put = (name, labels, value) => series.get(name)?.inc(labels, value);
  const renderOnce = async (): Promise<string> => {
    const status = await source.status();
    for (const each of series.values()) each.reset();
    fillAll(status, put);
    put('tandem_log_lines_dropped_total', {}, source.logLinesDropped?.() ?? 0);
    return registry.metrics();
  };
  // One scrape after the other: two at once would empty and fill the same series.
  let last: Promise<unknown> = Promise.resolve();
  return {
    contentType: registry.contentType,
    render() {
      const next = last.then(renderOnce, renderOnce);
      last = next;
      return next;
    },
  };
}

/** The process_ metrics that all exporters share; the ones about Node.js itself do not follow the conventions. */
function addProcessMetrics(registry: Registry): void {
  const everything = new Registry();
  collectDefaultMetrics({ register: everything });
  for (const metric of everything.getMetricsAsArray()) {
    if (metric.name.startsWith('process_')) registry.registerMetric(everything.getSingleMetric(metric.name) as Gauge);
  }
}

const flag = (value: boolean): number => (value ? 1 : 0);

export function fillAll(status: NodeStatus, put: Put): void {
  put('tandem_build_info', { version: status.version, node_version: process.version }, 1);
  put('tandem_node_info', { cluster: status.cluster, node: status.node }, 1);
  put('tandem_ready', {}, flag(status.ready));
  put('tandem_in_sync', {}, flag(status.inSync));
  put('tandem_heartbeat_up', {}, flag(status.heartbeat.connected));
  put('tandem_heartbeat_realtime', {}, flag(status.heartbeat.realtime));
  fillBeats(status.heartbeat.beats, put);
  for (const router of status.routers) fillRouter(router, put);
  for (const tracking of status.tracking) fillTracking(tracking, put);
  put('tandem_history_lines_waiting', {}, status.history.waiting);
  put('tandem_history_lines_dropped_total', {}, status.history.dropped);
  for (const [result, count] of Object.entries(status.switchovers.counts)) put('tandem_switchovers_total', { result }, count);
  if (status.switchovers.last?.ok) put('tandem_switchover_lost_packets', {}, status.switchovers.last.lost);
  for (const { hook, counts } of status.notify) {
    for (const [result, count] of Object.entries(counts)) put('tandem_notify_total', { hook, result }, count);
  }
  fillDataPlane(status.dataPlane, put);
  for (const service of status.services) fillService(service, put);
  for (const pool of status.pools) fillPool(pool, put);
  for (const peer of status.peers) fillPeer(peer, put);
}

function fillBeats(beats: NodeStatus['heartbeat']['beats'], put: Put): void {
  if (beats === null) return;
  put('tandem_beats_sent_total', {}, beats.sent);
  put('tandem_beats_received_total', {}, beats.received);
  put('tandem_beat_send_errors_total', {}, beats.sendErrors);
  put('tandem_beat_late_max_seconds', {}, beats.lateMaxMs / MS_PER_SECOND);
  put('tandem_beats_silenced_total', {}, beats.silenced ?? 0);
  for (const [reason, count] of Object.entries(beats.rejected)) put('tandem_beats_rejected_total', { reason }, count);
  if (beats.fast !== 'disabled') put('tandem_fast_liveness', {}, flag(beats.fast === 'on'));
  for (const peer of beats.peers)
    for (const [path, isHeard] of peer.paths.entries())
      put('tandem_beat_path_up', { peer: peer.node, path: String(path) }, flag(isHeard && peer.isReachable));
}

function fillRouter(status: NodeStatus['routers'][number], put: Put): void {
  const router = { router: status.name };
  for (const role of ROLES) put('tandem_role', { ...router, role }, flag(status.role === role));
  put('tandem_role_since_timestamp_seconds', router, status.sinceWallMs / MS_PER_SECOND);
  put('tandem_priority', router, status.priority);
  put('tandem_term', router, status.term);
  put('tandem_lease_age_seconds', router, status.leaseAgeMs / MS_PER_SECOND);
  put('tandem_lease_remaining_seconds', router, status.leaseRemainingMs / MS_PER_SECOND);
  if (status.verified !== 'notApplicable') put('tandem_takeover_verified', router, flag(status.verified === 'yes'));
  if (status.verifiedAfterMs !== null) put('tandem_takeover_verified_seconds', router, status.verifiedAfterMs / MS_PER_SECOND);
  const { counters } = status;
  put('tandem_adverts_sent_total', router, counters.advertsSent);
  put('tandem_adverts_received_total', router, counters.advertsReceived);
  put('tandem_advert_send_errors_total', router, counters.sendErrors);
  put('tandem_announcements_sent_total', router, counters.announcementsSent);
  put('tandem_heartbeat_late_wakes_total', router, counters.lateWakes);
  put('tandem_lease_lapses_total', router, counters.leaseLapses);
  put('tandem_address_conflicts_total', router, counters.conflicts);
  put('tandem_one_way_total', router, counters.oneWay);
  put('tandem_stale_terms_total', router, counters.staleTerms);
  put('tandem_flaps_damped_total', router, counters.damped);
  put('tandem_cut_offs_total', router, counters.cutOffs);
  for (const [reason, count] of Object.entries(counters.advertsRejected))
    put('tandem_adverts_rejected_total', { ...router, reason }, count);
  for (const [key, count] of Object.entries(counters.transitions)) {
    const colon = key.indexOf(':');
    put('tandem_transitions_total', { ...router, to: key.slice(0, colon), reason: key.slice(colon + 1) }, count);
  }
}

function fillTracking(status: NodeStatus['tracking'][number], put: Put): void {
  const { router } = status;
  put('tandem_effective_priority', { router }, status.effectivePriority);
  for (const { kind, name, state } of status.objects)
    if (state !== 'unknown') put('tandem_track_up', { router, kind, name }, flag(state === 'up'));
}

function fillDataPlane(status: NodeStatus['dataPlane'], put: Put): void {
  for (const each of status.interfaces) put('tandem_interface_attached', { interface: each.name, mode: each.mode }, flag(each.attached));
  put('tandem_flows', {}, status.flows);
  put('tandem_flow_table_capacity', {}, status.maxFlows);
  put('tandem_flow_table_bytes', {}, status.flowTableBytes);
  for (const { router, packets } of status.steered) put('tandem_steered_packets_total', { router }, packets);
  for (const { address, interface: name, claims } of status.foreignClaims)
    put('tandem_foreign_claims_total', { address, interface: name }, claims);
  for (const [reason, count] of Object.entries(status.drops)) put('tandem_drops_total', { reason }, count);
}

function fillService(status: NodeStatus['services'][number], put: Put): void {
  put('tandem_service_usable_servers', { service: status.name }, status.usableServers);
  for (const { server, traffic } of status.byServer) fillTraffic(status.name, server, traffic, put);
}

function fillTraffic(service: string, server: string, traffic: Traffic, put: Put): void {
  put('tandem_new_flows_total', { service, server }, traffic.newFlows);
  put('tandem_packets_total', { service, server, direction: 'in' }, traffic.packetsIn);
  put('tandem_packets_total', { service, server, direction: 'out' }, traffic.packetsOut);
  put('tandem_bytes_total', { service, server, direction: 'in' }, traffic.bytesIn);
  put('tandem_bytes_total', { service, server, direction: 'out' }, traffic.bytesOut);
}

function fillPool(status: NodeStatus['pools'][number], put: Put): void {
  put('tandem_pool_generation', { pool: status.name }, status.generation);
  put('tandem_pool_panic', { pool: status.name }, flag(status.panic));
  for (const server of status.servers) {
    const labels = { pool: status.name, server: server.name };
    for (const state of HEALTH_STATES) put('tandem_server_health', { ...labels, state }, flag(server.health === state));
    put('tandem_server_alive', labels, flag(server.alive));
    put('tandem_server_weight', labels, server.weight);
    for (const state of ADMIN_STATES) put('tandem_server_admin_state', { ...labels, state }, flag(server.state === state));
    put('tandem_server_override', labels, flag(server.override !== null));
    put('tandem_server_advised', labels, flag(server.advised !== null));
  }
}

function fillPeer(status: NodeStatus['peers'][number], put: Put): void {
  const peer = { peer: status.node };
  put('tandem_peer_connected', peer, flag(status.connected));
  put('tandem_peer_in_sync', peer, flag(status.inSync));
  put('tandem_peer_received_in_sync', peer, flag(status.receivedInSync));
  put('tandem_replication_lag_seconds', peer, status.lagMs / MS_PER_SECOND);
  put('tandem_replication_queue_records', peer, status.queuedRecords);
  put('tandem_replication_records_sent_total', peer, status.recordsSent);
  put('tandem_replication_records_received_total', peer, status.recordsReceived);
  put('tandem_replication_gaps_total', peer, status.gaps);
  put('tandem_replication_resyncs_total', peer, status.resyncs);
  if (status.digestMatch !== null) put('tandem_digest_match', peer, flag(status.digestMatch));
  if (status.configDigestMatch !== null) put('tandem_config_digest_match', peer, flag(status.configDigestMatch));
}
