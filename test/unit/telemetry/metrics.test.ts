/**
 * What a scrape says about a snapshot, and that Prometheus's own checker finds nothing to complain about.
 */
import { spawnSync } from 'node:child_process';
import t from 'tap';
import type { NodeStatus } from '../../../src/control/status.js';
import { startTelemetryServer } from '../../../src/telemetry/http.js';
import { metricTable } from '../../../src/telemetry/metric-table.js';
import { createMetrics } from '../../../src/telemetry/metrics.js';
import { nodeStatus, SNAPSHOT_MS } from '../../support/node-status.js';

/** `name{labels} value` -> value, and the declared types. */
function parse(text: string): { values: Map<string, number>; types: Map<string, string> } {
  const lines = text.split('\n');
  const values = lines
    .filter((line) => line !== '' && !line.startsWith('#'))
    .map((line) => [line.slice(0, line.lastIndexOf(' ')), Number(line.slice(line.lastIndexOf(' ')))] as const);
  const types = lines
    .filter((line) => line.startsWith('# TYPE '))
    .map((line) => [line.split(' ')[2] ?? '', line.split(' ')[3] ?? ''] as const);
  return { values: new Map(values), types: new Map(types) };
}

const scrape = async (status: NodeStatus) => parse(await createMetrics({ status: () => status, logLinesDropped: () => 5 }).render());

t.test('every figure of the snapshot is a series', async (t) => {
  const { values } = await scrape(nodeStatus());
  const rows: [string, number][] = [
    [`tandem_build_info{version="0.1.0",node_version="${process.version}"}`, 1],
    ['tandem_node_info{cluster="shop",node="lb1"}', 1],
    ['tandem_ready', 1],
    ['tandem_in_sync', 1],
    ['tandem_heartbeat_up', 1],
    ['tandem_heartbeat_realtime', 1],
    ['tandem_beats_sent_total', 700],
    ['tandem_beats_received_total', 690],
    ['tandem_beat_send_errors_total', 2],
    ['tandem_beats_rejected_total{reason="tag"}', 5],
    ['tandem_beat_late_max_seconds', 0.0015],
    ['tandem_beats_silenced_total', 3],
    ['tandem_beat_path_up{peer="lb2",path="0"}', 1],
    ['tandem_beat_path_up{peer="lb2",path="1"}', 0],
    ['tandem_fast_liveness', 1],
    ['tandem_term{router="front"}', 3],
    ['tandem_one_way_total{router="front"}', 0],
    ['tandem_stale_terms_total{router="front"}', 0],
    ['tandem_flaps_damped_total{router="front"}', 0],
    ['tandem_cut_offs_total{router="front"}', 0],
    ['tandem_heartbeat_late_wakes_total{router="front"}', 4],
    ['tandem_role{router="front",role="active"}', 1],
    ['tandem_role{router="front",role="backup"}', 0],
    ['tandem_role{router="front",role="initialize"}', 0],
    ['tandem_role_since_timestamp_seconds{router="front"}', SNAPSHOT_MS / 1000 - 60],
    ['tandem_priority{router="front"}', 200],
    ['tandem_effective_priority{router="front"}', 150],
    ['tandem_track_up{router="front",kind="process",name="haproxy"}', 0],
    ['tandem_track_up{router="front",kind="route",name="uplink"}', 1],
    ['tandem_transitions_total{router="front",to="backup",reason="started"}', 1],
    ['tandem_transitions_total{router="front",to="active",reason="peerSilent: no advert"}', 2],
    ['tandem_adverts_sent_total{router="front"}', 600],
    ['tandem_adverts_received_total{router="front"}', 40],
    ['tandem_adverts_rejected_total{router="front",reason="ttl"}', 2],
    ['tandem_adverts_rejected_total{router="front",reason="checksum"}', 1],
    ['tandem_advert_send_errors_total{router="front"}', 3],
    ['tandem_announcements_sent_total{router="front"}', 10],
    ['tandem_lease_age_seconds{router="front"}', 60],
    ['tandem_lease_remaining_seconds{router="front"}', 0.28],
    ['tandem_lease_lapses_total{router="front"}', 1],
    ['tandem_address_conflicts_total{router="front"}', 0],
    ['tandem_takeover_verified{router="front"}', 1],
    ['tandem_takeover_verified_seconds{router="front"}', 0.0125],
    ['tandem_interface_attached{interface="eth1",mode="generic"}', 1],
    ['tandem_flows', 1234],
    ['tandem_flow_table_capacity', 1_048_576],
    ['tandem_flow_table_bytes', 157_286_400],
    ['tandem_drops_total{reason="noService"}', 7],
    ['tandem_drops_total{reason="ttl"}', 0],
    ['tandem_steered_packets_total{router="front"}', 8],
    ['tandem_foreign_claims_total{address="10.1.0.100",interface="eth0"}', 5],
    ['tandem_service_usable_servers{service="web"}', 1],
    ['tandem_new_flows_total{service="web",server="be1"}', 2],
    ['tandem_packets_total{service="web",server="be1",direction="in"}', 20],
    ['tandem_packets_total{service="web",server="be2",direction="out"}', 20],
    ['tandem_bytes_total{service="web",server="be1",direction="in"}', 2000],
    ['tandem_bytes_total{service="web",server="be2",direction="out"}', 20_000],
    ['tandem_server_health{pool="web",server="be2",state="down"}', 1],
    ['tandem_server_health{pool="web",server="be2",state="up"}', 0],
    ['tandem_server_alive{pool="web",server="be2"}', 0],
    ['tandem_server_weight{pool="web",server="be2"}', 3],
    ['tandem_server_weight{pool="web",server="be1"}', 0.3],
    ['tandem_server_admin_state{pool="web",server="be2",state="drain"}', 1],
    ['tandem_server_admin_state{pool="web",server="be2",state="ready"}', 0],
    ['tandem_server_override{pool="web",server="be1"}', 1],
    ['tandem_server_override{pool="web",server="be2"}', 0],
    ['tandem_server_advised{pool="web",server="be1"}', 0],
    ['tandem_server_advised{pool="web",server="be2"}', 1],
    ['tandem_pool_panic{pool="web"}', 0],
    ['tandem_pool_generation{pool="web"}', 6],
    ['tandem_peer_connected{peer="lb2"}', 1],
    ['tandem_peer_in_sync{peer="lb2"}', 1],
    ['tandem_peer_received_in_sync{peer="lb2"}', 1],
    ['tandem_replication_lag_seconds{peer="lb2"}', 0.0015],
    ['tandem_replication_queue_records{peer="lb2"}', 17],
    ['tandem_replication_records_sent_total{peer="lb2"}', 5000],
    ['tandem_replication_records_received_total{peer="lb2"}', 60],
    ['tandem_replication_gaps_total{peer="lb2"}', 1],
    ['tandem_replication_resyncs_total{peer="lb2"}', 2],
    ['tandem_digest_match{peer="lb2"}', 1],
    ['tandem_config_digest_match{peer="lb2"}', 0],
    ['tandem_history_lines_waiting', 2],
    ['tandem_history_lines_dropped_total', 1],
    ['tandem_switchovers_total{result="done"}', 2],
    ['tandem_switchovers_total{result="returned"}', 1],
    ['tandem_switchover_lost_packets', 0],
    ['tandem_notify_total{hook="pager",result="ok"}', 5],
    ['tandem_notify_total{hook="pager",result="dropped"}', 3],
    ['tandem_log_lines_dropped_total', 5],
  ];
  for (const [series, value] of rows) t.equal(values.get(series), value, series);
  const named = new Set(rows.map(([series]) => series.split('{')[0]));
  t.same(
    Object.keys(metricTable).filter((name) => !named.has(name)),
    [],
    'every metric of the table is looked at here',
  );
});

t.test('what is not known is absent, not 0', async (t) => {
  const status = nodeStatus();
  for (const peer of status.peers) Object.assign(peer, { digestMatch: null, configDigestMatch: null });
  for (const router of status.routers) Object.assign(router, { verified: 'notApplicable', verifiedAfterMs: null });
  const { values } = await scrape(status);
  const absent = [...values.keys()].filter((series) => /^tandem_(digest|config_digest|takeover)|^tandem_track_up.*script/.test(series));
  t.same(absent, []);
});

t.test('counters are counters, follow the snapshot, and do not add up over scrapes', async (t) => {
  let status = nodeStatus();
  const metrics = createMetrics({ status: () => status });
  const first = parse(await metrics.render());
  const second = parse(await metrics.render());
  const series = 'tandem_adverts_sent_total{router="front"}';
  t.equal(first.types.get('tandem_adverts_sent_total'), 'counter');
  for (const [name, { type }] of Object.entries(metricTable)) t.equal(first.types.get(name), type, name);
  t.equal(second.values.get(series), 600);
  status = nodeStatus();
  for (const router of status.routers) router.counters.advertsSent = 601;
  t.equal(parse(await metrics.render()).values.get(series), 601);
  const together = await Promise.all([metrics.render(), metrics.render(), metrics.render()]);
  for (const text of together) t.equal(parse(text).values.get(series), 601, 'scrapes at the same time');
  status.services = [];
  t.equal(
    [...parse(await metrics.render()).values.keys()].filter((name) => name.startsWith('tandem_packets_total{')).length,
    0,
    'what is gone is gone',
  );
});

t.test('a snapshot that fails does not break the next scrape', async (t) => {
  let isBroken = true;
  const metrics = createMetrics({
    status: () => {
      if (isBroken) throw new Error('the data plane is gone');
      return nodeStatus();
    },
  });
  await t.rejects(metrics.render(), { message: 'the data plane is gone' });
  isBroken = false;
  t.equal(parse(await metrics.render()).values.get('tandem_flows'), 1234);
});

const needsPromtool = process.env.TANDEM_REQUIRE_ALL === '1' || spawnSync('promtool', ['--version']).error === undefined;
t.test('promtool finds nothing to complain about', { skip: needsPromtool ? false : 'promtool is not installed' }, async (t) => {
  const text = await createMetrics({ status: nodeStatus }).render();
  const { status, stdout, stderr } = spawnSync('promtool', ['check', 'metrics'], { input: text, encoding: 'utf8' });
  t.same({ status, stdout, stderr }, { status: 0, stdout: '', stderr: '' });
  const spoiled = spawnSync('promtool', ['check', 'metrics'], {
    input: text.replaceAll('tandem_flow_table_bytes', 'tandem_flow_table_bytes_total'),
    encoding: 'utf8',
  });
  t.not(spoiled.status, 0, 'and it would complain');
});

t.test('the listener', async (t) => {
  let ok = true;
  const errors: unknown[] = [];
  let status: () => NodeStatus = nodeStatus;
  const server = await startTelemetryServer({
    address: '127.0.0.1',
    port: 0,
    metrics: createMetrics({ status: () => status() }),
    health: () => ({ ok, reason: ok ? 'synced' : 'waiting for peers' }),
    onError: (error) => errors.push(error),
  });
  t.teardown(() => server.close());
  const get = (path: string, init: RequestInit = {}) => fetch(`http://${server.address}${path}`, init);

  const metrics = await get('/metrics');
  t.equal(metrics.status, 200);
  t.match(metrics.headers.get('content-type'), 'text/plain; version=0.0.4');
  t.match(await metrics.text(), '# HELP tandem_role ');
  const healthy = await get('/healthz');
  t.same([healthy.status, await healthy.json()], [200, { ok: true, reason: 'synced' }]);
  ok = false;
  const waiting = await get('/healthz');
  t.same([waiting.status, await waiting.json()], [503, { ok: false, reason: 'waiting for peers' }]);
  t.equal((await get('/')).status, 404);
  t.equal((await get('/metrics', { method: 'POST' })).status, 405);
  status = () => {
    throw new Error('gone');
  };
  t.equal((await get('/metrics')).status, 500);
  t.match(errors, [{ message: 'gone' }]);
  await t.rejects(
    startTelemetryServer({
      address: '127.0.0.1',
      port: Number(server.address.split(':')[1]),
      metrics: createMetrics({ status }),
      health: () => ({ ok, reason: '' }),
      onError: () => undefined,
    }),
    {
      code: 'EADDRINUSE',
    },
  );
});
