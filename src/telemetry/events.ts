/**
 * The one table of log events: name, level, words, and the fields that each must carry. Names are stable: people search and alert on them.
 * Every change of a state carries `reason`.
 */

export type LogLevel = 'trace' | 'debug' | 'info' | 'warn' | 'error';

interface EventEntry {
  readonly level: LogLevel;
  readonly message: string;
  readonly fields: readonly string[];
}

export const events = {
  'daemon.starting': { level: 'info', message: 'node is starting', fields: ['version', 'configFile', 'configDigest', 'stateDir'] },
  'daemon.ready': { level: 'info', message: 'flow table may serve', fields: ['reason'] },
  'daemon.stopping': { level: 'info', message: 'node is stopping', fields: ['reason'] },
  'daemon.stopped': { level: 'info', message: 'node has stopped', fields: ['reason'] },
  'daemon.failed': { level: 'error', message: 'node cannot go on', fields: ['reason'] },
  'config.warning': { level: 'warn', message: 'configuration warning', fields: ['place', 'reason'] },
  'config.differs': { level: 'warn', message: 'a peer runs another configuration', fields: ['peer', 'reason'] },

  'dataPlane.attached': { level: 'info', message: 'XDP program is attached', fields: ['interface', 'mode', 'adopted'] },
  'dataPlane.fallback': { level: 'warn', message: 'XDP runs in generic mode', fields: ['interface', 'reason'] },
  'dataPlane.detached': { level: 'warn', message: 'XDP program is gone from an interface', fields: ['interface', 'reason'] },
  'dataPlane.otherLayout': {
    level: 'warn',
    message: 'the data plane of a version with another layout was removed, and with it the connections in its tables',
    fields: ['directory', 'flows', 'reason'],
  },
  'address.foreignClaim': {
    level: 'error',
    message: 'somebody else claims an address that this node holds',
    fields: ['address', 'mac', 'interface', 'reason'],
  },

  'network.settingChanged': { level: 'info', message: 'a setting of the kernel was changed', fields: ['key', 'before', 'after', 'reason'] },
  'network.tagsHidden': {
    level: 'warn',
    message: 'an interface may hide VLAN tags from the data plane: do not use VLANs on it',
    fields: ['interface', 'reason'],
  },
  'network.trouble': { level: 'warn', message: 'links or neighbours could not be followed for a moment', fields: ['reason'] },

  'router.transition': { level: 'info', message: 'virtual router changed its role', fields: ['router', 'from', 'to', 'reason'] },
  'heartbeat.connected': { level: 'info', message: 'heartbeat is connected', fields: ['pid', 'realtime', 'adopted'] },
  'heartbeat.replaced': { level: 'info', message: 'heartbeat goes on in a new process', fields: ['before', 'pid', 'reason'] },
  'heartbeat.lost': { level: 'warn', message: 'heartbeat is not connected', fields: ['reason'] },

  'peer.changed': { level: 'info', message: 'replication with a peer changed', fields: ['peer', 'state', 'connected', 'inSync', 'reason'] },
  'peer.incompatible': { level: 'error', message: 'a peer cannot be replicated with', fields: ['peer', 'reason'] },
  'replication.gap': { level: 'warn', message: 'records were lost on the way to a peer, resyncing', fields: ['peer', 'reason'] },
  'replication.tableOld': {
    level: 'warn',
    message: 'this node was active in the past: its flow table is had anew from every peer',
    fields: ['router', 'reason'],
  },
  'replication.digestMismatch': { level: 'warn', message: 'flow tables differ, resyncing', fields: ['peer', 'reason'] },

  'server.up': { level: 'info', message: 'server is up', fields: ['pool', 'server', 'reason'] },
  'server.down': { level: 'warn', message: 'server is down', fields: ['pool', 'server', 'reason'] },
  'server.admin': {
    level: 'info',
    message: 'a command to a server counts',
    fields: ['pool', 'server', 'change', 'node', 'by', 'reason'],
  },
  'server.advice': { level: 'info', message: 'the agent of a server asks for a change', fields: ['pool', 'server', 'reason'] },
  'pool.generation': { level: 'info', message: 'pool generation is in force', fields: ['pool', 'generation', 'alive', 'reason'] },
  'pool.panic': {
    level: 'warn',
    message: 'too few servers of a pool are up: all get new flows, whatever their checks say',
    fields: ['pool', 'up', 'wanted', 'threshold', 'reason'],
  },
  'pool.calm': { level: 'info', message: 'enough servers of a pool are up again', fields: ['pool', 'up', 'wanted', 'threshold', 'reason'] },
  'track.up': { level: 'info', message: 'something tracked is as it should be again', fields: ['router', 'kind', 'name', 'reason'] },
  'track.down': { level: 'warn', message: 'something tracked failed', fields: ['router', 'kind', 'name', 'reason'] },
  'history.failed': { level: 'warn', message: 'history cannot be written, it waits in memory', fields: ['path', 'reason'] },
  'history.restored': { level: 'info', message: 'history is written again', fields: ['path', 'reason'] },
  'notify.output': { level: 'info', message: 'a hook said something', fields: ['hook', 'trigger', 'output'] },
  'notify.failed': { level: 'warn', message: 'a hook failed', fields: ['hook', 'trigger', 'reason'] },
  'notify.dropped': { level: 'warn', message: 'a hook is too slow, the oldest document was dropped', fields: ['hook', 'reason'] },
  'router.steering': {
    level: 'info',
    message: 'stragglers go on to the successor',
    fields: ['router', 'successor', 'interfaces', 'reason'],
  },
  'router.handedOver': {
    level: 'info',
    message: 'what a lost role did to packets',
    fields: ['router', 'successor', 'steered', 'lost', 'reason'],
  },
  'switchover.done': { level: 'info', message: 'switchover is done', fields: ['routers', 'to', 'lost', 'reason'] },
  'switchover.refused': { level: 'warn', message: 'switchover was refused', fields: ['routers', 'reason'] },
  'switchover.returned': { level: 'error', message: 'the successor did not take over', fields: ['routers', 'reason'] },
  'drill.done': { level: 'info', message: 'drill is done', fields: ['routers', 'node', 'there', 'back', 'reason'] },
  'drill.failed': { level: 'error', message: 'drill found something wrong', fields: ['routers', 'node', 'there', 'back', 'reason'] },

  'admin.error': { level: 'warn', message: 'admin request failed', fields: ['reason'] },
  'metrics.error': { level: 'warn', message: 'metrics request failed', fields: ['reason'] },
  'log.dropped': { level: 'warn', message: 'log lines were dropped because nobody read them', fields: ['lines'] },
  'internal.error': { level: 'error', message: 'unexpected error', fields: ['reason'] },
} as const satisfies Record<string, EventEntry>;

export type EventName = keyof typeof events;

/** What an event must carry; more is welcome. */
export type EventFields<N extends EventName> = Record<(typeof events)[N]['fields'][number], unknown> & Record<string, unknown>;
