/**
 * The one table of metric names, types, help texts and labels. Prometheus conventions: base units, counters end in _total.
 * Names are stable: dashboards and alerts use them.
 */

interface MetricEntry {
  readonly type: 'gauge' | 'counter';
  readonly help: string;
  readonly labels: readonly string[];
}

export const metricTable = {
  tandem_build_info: { type: 'gauge', help: 'Version of Tandem and of Node.js; always 1.', labels: ['version', 'node_version'] },
  tandem_node_info: { type: 'gauge', help: 'Cluster and node of this process; always 1.', labels: ['cluster', 'node'] },
  tandem_ready: { type: 'gauge', help: 'Whether the flow table may serve (1) or is still waiting for peers (0).', labels: [] },
  tandem_in_sync: { type: 'gauge', help: 'Whether this node has everything its peers know, and so may pre-empt.', labels: [] },

  tandem_heartbeat_up: { type: 'gauge', help: 'Whether the heartbeat process is connected.', labels: [] },
  tandem_heartbeat_realtime: { type: 'gauge', help: 'Whether the heartbeat runs with real-time priority.', labels: [] },
  tandem_heartbeat_late_wakes_total: { type: 'counter', help: 'Times the heartbeat woke late.', labels: ['router'] },

  tandem_beats_sent_total: { type: 'counter', help: 'Beats sent to the other nodes.', labels: [] },
  tandem_beats_received_total: { type: 'counter', help: 'Valid beats of other nodes received.', labels: [] },
  tandem_beats_rejected_total: { type: 'counter', help: 'Beats not accepted, by reason.', labels: ['reason'] },
  tandem_beat_send_errors_total: { type: 'counter', help: 'Beats that the kernel did not take.', labels: [] },
  tandem_beat_late_max_seconds: { type: 'gauge', help: 'The latest that the thread of the beats has been since it started.', labels: [] },
  tandem_beats_silenced_total: {
    type: 'counter',
    help: 'Times the beats of this node stopped because the main thread of its heartbeat hung.',
    labels: [],
  },
  tandem_beat_path_up: { type: 'gauge', help: 'Whether beats of a peer arrive, by path.', labels: ['peer', 'path'] },
  tandem_fast_liveness: {
    type: 'gauge',
    help: 'Whether leases of this node end within milliseconds after its last beat, and peers know; absent when it is not configured.',
    labels: [],
  },
  tandem_term: { type: 'gauge', help: 'Number of the latest lease that this node knows of, counted over all nodes.', labels: ['router'] },

  tandem_role: {
    type: 'gauge',
    help: 'Role of a virtual router on this node: 1 for the role it has, 0 for the others.',
    labels: ['router', 'role'],
  },
  tandem_role_since_timestamp_seconds: { type: 'gauge', help: 'Unix time of the last change of role.', labels: ['router'] },
  tandem_priority: { type: 'gauge', help: 'VRRP priority of this node.', labels: ['router'] },
  tandem_effective_priority: {
    type: 'gauge',
    help: 'VRRP priority of this node after what it tracks.',
    labels: ['router'],
  },
  tandem_track_up: {
    type: 'gauge',
    help: 'Whether something tracked by a virtual router is as it should be; absent until it was looked at.',
    labels: ['router', 'kind', 'name'],
  },
  tandem_transitions_total: { type: 'counter', help: 'Changes of role, by new role and reason.', labels: ['router', 'to', 'reason'] },
  tandem_adverts_sent_total: { type: 'counter', help: 'VRRP advertisements sent.', labels: ['router'] },
  tandem_adverts_received_total: { type: 'counter', help: 'Valid VRRP advertisements received.', labels: ['router'] },
  tandem_adverts_rejected_total: { type: 'counter', help: 'VRRP advertisements not accepted, by reason.', labels: ['router', 'reason'] },
  tandem_advert_send_errors_total: { type: 'counter', help: 'VRRP advertisements that could not be sent.', labels: ['router'] },
  tandem_announcements_sent_total: { type: 'counter', help: 'Gratuitous ARP packets sent.', labels: ['router'] },
  tandem_lease_age_seconds: {
    type: 'gauge',
    help: 'Time since the lease on the addresses was acquired; 0 when not held.',
    labels: ['router'],
  },
  tandem_lease_remaining_seconds: {
    type: 'gauge',
    help: 'Time until the lease lapses unless it is renewed; 0 when not held.',
    labels: ['router'],
  },
  tandem_lease_lapses_total: { type: 'counter', help: 'Leases that lapsed before they were renewed.', labels: ['router'] },
  tandem_address_conflicts_total: { type: 'counter', help: 'Claims of others on addresses held by this node.', labels: ['router'] },
  tandem_one_way_total: { type: 'counter', help: 'Times a node was heard over one path and not over another.', labels: ['router'] },
  tandem_stale_terms_total: {
    type: 'counter',
    help: 'Times this node gave way because it had been paused, or restored, while another became active.',
    labels: ['router'],
  },
  tandem_flaps_damped_total: {
    type: 'counter',
    help: 'Times this node may not pre-empt for a while because it lost the active role too often.',
    labels: ['router'],
  },
  tandem_cut_offs_total: {
    type: 'counter',
    help: 'Times this node did not lead, or gave up, because it heard no other node and reached no reference.',
    labels: ['router'],
  },
  tandem_takeover_verified: {
    type: 'gauge',
    help: 'Whether the last take-over was seen on the wire; absent when it does not apply.',
    labels: ['router'],
  },
  tandem_takeover_verified_seconds: {
    type: 'gauge',
    help: 'Time from the last take-over until it was seen on the wire.',
    labels: ['router'],
  },

  tandem_interface_attached: {
    type: 'gauge',
    help: 'Whether an interface carries the XDP program, and in which mode.',
    labels: ['interface', 'mode'],
  },
  tandem_flows: { type: 'gauge', help: 'Records in the flow table.', labels: [] },
  tandem_flow_table_capacity: { type: 'gauge', help: 'Records the flow table can hold.', labels: [] },
  tandem_flow_table_bytes: { type: 'gauge', help: 'Kernel memory of the flow table.', labels: [] },
  tandem_steered_packets_total: {
    type: 'counter',
    help: 'Packets passed on to the node that has the addresses since a planned hand-over.',
    labels: ['router'],
  },
  tandem_foreign_claims_total: {
    type: 'counter',
    help: 'ARP and Neighbour Discovery messages of others that claim an address held by this node.',
    labels: ['address', 'interface'],
  },
  tandem_drops_total: { type: 'counter', help: 'Packets dropped by the data plane, by reason.', labels: ['reason'] },

  tandem_service_usable_servers: { type: 'gauge', help: 'Servers that get new flows of a service.', labels: ['service'] },
  tandem_new_flows_total: { type: 'counter', help: 'Flows created on this node.', labels: ['service', 'server'] },
  tandem_packets_total: {
    type: 'counter',
    help: 'Packets forwarded; direction in is towards the server.',
    labels: ['service', 'server', 'direction'],
  },
  tandem_bytes_total: {
    type: 'counter',
    help: 'Bytes forwarded; direction in is towards the server.',
    labels: ['service', 'server', 'direction'],
  },
  tandem_server_health: {
    type: 'gauge',
    help: "Result of this node's health check: 1 for the state it is in, 0 for the others.",
    labels: ['pool', 'server', 'state'],
  },
  tandem_server_alive: {
    type: 'gauge',
    help: 'Whether a server is alive in the pool generation in force: up, and not disabled.',
    labels: ['pool', 'server'],
  },
  tandem_server_weight: {
    type: 'gauge',
    help: 'Weight of a server in the pool generation in force: 0 when it is drained or an idle backup, a part of it in a slow start.',
    labels: ['pool', 'server'],
  },
  tandem_server_admin_state: {
    type: 'gauge',
    help: 'Administrative state of a server: 1 for the state it is in, 0 for the others.',
    labels: ['pool', 'server', 'state'],
  },
  tandem_server_override: {
    type: 'gauge',
    help: 'Whether state or weight of a server was commanded at run time and not reset.',
    labels: ['pool', 'server'],
  },
  tandem_server_advised: {
    type: 'gauge',
    help: 'Whether the agent on a server asks for something that counts where no operator says otherwise: no new flows, or a part of its weight.',
    labels: ['pool', 'server'],
  },
  tandem_pool_panic: {
    type: 'gauge',
    help: 'Whether so few servers of a pool are up that all get new flows, whatever their checks say.',
    labels: ['pool'],
  },
  tandem_pool_generation: { type: 'gauge', help: 'Number of the pool generation in force.', labels: ['pool'] },

  tandem_peer_connected: { type: 'gauge', help: 'Whether the replication stream to a peer is up.', labels: ['peer'] },
  tandem_peer_in_sync: { type: 'gauge', help: 'Whether a peer has confirmed everything this node knows.', labels: ['peer'] },
  tandem_peer_received_in_sync: { type: 'gauge', help: 'Whether this node has everything a peer knows.', labels: ['peer'] },
  tandem_replication_lag_seconds: { type: 'gauge', help: 'Age of the oldest record that a peer has not confirmed.', labels: ['peer'] },
  tandem_replication_queue_records: { type: 'gauge', help: 'Records waiting to be sent to a peer.', labels: ['peer'] },
  tandem_replication_records_sent_total: { type: 'counter', help: 'Flow records sent to a peer.', labels: ['peer'] },
  tandem_replication_records_received_total: { type: 'counter', help: 'Flow records received from a peer.', labels: ['peer'] },
  tandem_replication_gaps_total: {
    type: 'counter',
    help: 'Times records to a peer were lost; each is followed by a resync.',
    labels: ['peer'],
  },
  tandem_replication_resyncs_total: { type: 'counter', help: 'Bulk transfers of the flow table to a peer.', labels: ['peer'] },
  tandem_digest_match: {
    type: 'gauge',
    help: 'Whether the last comparison of flow tables with a peer matched; absent before the first.',
    labels: ['peer'],
  },
  tandem_config_digest_match: {
    type: 'gauge',
    help: 'Whether a peer runs the same configuration; absent before its first word.',
    labels: ['peer'],
  },

  tandem_history_lines_waiting: { type: 'gauge', help: 'Lines of the history that cannot be written to disk yet.', labels: [] },
  tandem_history_lines_dropped_total: { type: 'counter', help: 'Lines of the history that were lost.', labels: [] },
  tandem_switchovers_total: {
    type: 'counter',
    help: 'Planned hand-overs asked of this node since the daemon started, by result.',
    labels: ['result'],
  },
  tandem_switchover_lost_packets: {
    type: 'gauge',
    help: 'Packets that this node dropped for lack of a lease during its last planned hand-over; absent before the first.',
    labels: [],
  },
  tandem_notify_total: { type: 'counter', help: 'Runs of a notify hook, by result.', labels: ['hook', 'result'] },
  tandem_log_lines_dropped_total: { type: 'counter', help: 'Log lines dropped because nobody read them.', labels: [] },
} as const satisfies Record<string, MetricEntry>;

export type MetricName = keyof typeof metricTable;
export type MetricLabels<N extends MetricName> = (typeof metricTable)[N]['labels'][number];
