/**
 * One thing that a virtual router tracks. The keys of all kinds lie flat beside `kind`, as those of a health check do beside `type`; which
 * of them belong together is said by check-track.ts. What a kind does not need is null in the model.
 */
import { z } from 'zod';
import { choice, key, text } from './keys.js';
import { MAX_WEIGHT } from './limits.js';
import { duration, integer, interfaceName, ipv4, name, orNull, prefix } from './scalars.js';

export const TRACK_KINDS = ['process', 'file', 'script', 'route', 'gateway', 'sync', 'engine', 'servers', 'interface'] as const;
export type TrackKind = (typeof TRACK_KINDS)[number];

/** How often each kind is looked at unless written: what costs a system call or two often, what starts a process or asks the network less so. */
const INTERVAL_MS: Record<TrackKind, number> = {
  process: 100,
  file: 100,
  script: 1000,
  route: 100,
  gateway: 500,
  sync: 100,
  engine: 100,
  servers: 100,
  interface: 100,
};
/** A lost packet is nothing; everything else is what it is. */
const FALL: Partial<Record<TrackKind, number>> = { gateway: 3 };
const TIMEOUT_MS: Partial<Record<TrackKind, number>> = { gateway: 400, script: 5000 };
/** Reading a local file takes no time; one on a network that is gone takes for ever. */
const DEFAULT_TIMEOUT_MS = 1000;

const commandSchema = z
  .array(text('a word of the command'), { error: 'expected a command as a list such as [/usr/local/bin/check, --fast]' })
  .min(1, { error: 'name a program' });

export const trackSchema = z.strictObject({
  kind: key(choice(TRACK_KINDS), {
    text: '`process`: it runs. `file`: it is there, is not there, or holds a number. `script`: a command exits with 0. `route`: there is a route. `gateway`: an address answers ping. `sync`: this node has the flows of its peers. `engine`: the data plane is attached and serving. `servers`: enough servers of a pool are up. `interface`: it is up and has carrier.',
    example: 'process',
  }),
  name: key(orNull(text('a name')), {
    text: 'How it is called in status, metrics and reasons.',
    why: 'what is looked at',
    example: 'uplink',
  }),
  weight: key(
    orNull(
      integer(-MAX_WEIGHT, MAX_WEIGHT).refine((value) => value !== 0, 'a weight of 0 does nothing; leave it out to give the router up'),
    ),
    {
      text: 'Added to the priority: a negative weight while it fails, a positive one while it does not. The sum of all stays within 1 and 254. Without a weight the node gives the virtual router up while it fails.',
      why: 'most things that are worth tracking are needed',
      example: -50,
    },
  ),
  rise: key(integer(1, 100).prefault(1), {
    text: 'Good results in a row after which it counts as up again.',
    why: 'a node that can serve should not wait',
  }),
  fall: key(orNull(integer(1, 100)), {
    text: 'Bad results in a row after which it counts as failed.',
    why: '1; 3 for a gateway, since one lost packet is nothing',
    example: 2,
  }),
  interval: key(orNull(duration({ minMs: 20 })), {
    text: 'Time between two looks.',
    why: '100ms; 1s for a script, 500ms for a gateway',
    example: '200ms',
  }),
  timeout: key(orNull(duration({ minMs: 10 })), {
    text: 'A look that takes longer has failed; a script is ended then (script, gateway, file).',
    why: '5s for a script, 400ms for a gateway, 1s for a file',
    example: '2s',
  }),
  process: key(orNull(text('the name of a program')), {
    text: 'Name of the program (process). Here, in files and in commands `{node}` stands for the name of the node.',
    example: 'haproxy',
  }),
  pidFile: key(orNull(text('a file name')), {
    text: 'File that holds the number of the process (process, instead of its name).',
    example: '/run/haproxy.pid',
  }),
  file: key(orNull(text('a file name')), { text: 'The file (file).', example: '/etc/tandem/maintenance' }),
  content: key(orNull(choice(['exists', 'absent', 'number'])), {
    text: 'What is asked of the file: that it `exists`, that it is `absent`, or a `number` in it, which is added to the priority (-254 or less gives the router up; no file counts as 0) (file).',
    why: 'exists',
    example: 'absent',
  }),
  command: key(orNull(commandSchema), {
    text: 'Program, as an absolute path, and its arguments (script). Runs of it never overlap.',
    example: ['/usr/local/bin/check-uplink'],
  }),
  to: key(orNull(prefix()), {
    text: 'Network or address to which a route must lead (route); `0.0.0.0/0` is the default route.',
    example: '0.0.0.0/0',
  }),
  address: key(orNull(ipv4()), { text: 'Address that must answer ping (gateway).', example: '10.1.0.1' }),
  pool: key(orNull(name()), { text: 'Name of the pool (servers).', example: 'web' }),
  minPercent: key(orNull(integer(1, 100)), {
    text: 'Share of its servers that must be up, of those that have a weight (servers).',
    why: '1: one server is enough',
    example: 50,
  }),
  interface: key(orNull(interfaceName()), {
    text: 'The interface (interface), or the one by which the route must leave (route).',
    example: 'eth1',
  }),
});

export type TrackDocument = z.output<typeof trackSchema>;

/** One tracked thing with its defaults by kind. */
export interface TrackConfig extends Omit<TrackDocument, 'interval' | 'timeout' | 'fall' | 'name' | 'content' | 'minPercent'> {
  name: string;
  content: 'exists' | 'absent' | 'number';
  minPercent: number;
  fall: number;
  intervalMs: number;
  timeoutMs: number;
}

export function resolveTrack({ interval, timeout, ...tracked }: TrackDocument): TrackConfig {
  const { kind } = tracked;
  return {
    ...tracked,
    name: trackName(tracked),
    content: tracked.content ?? 'exists',
    minPercent: tracked.minPercent ?? 1,
    fall: tracked.fall ?? FALL[kind] ?? 1,
    intervalMs: interval ?? INTERVAL_MS[kind],
    timeoutMs: timeout ?? TIMEOUT_MS[kind] ?? DEFAULT_TIMEOUT_MS,
  };
}

/** As written, or what is looked at. */
export function trackName(tracked: Omit<TrackDocument, 'interval' | 'timeout'>): string {
  const { kind, process, pidFile, file, command, to, address, pool, interface: link } = tracked;
  const looked = { process: process ?? pidFile, file, script: command?.[0], route: to, gateway: address, servers: pool, interface: link };
  return tracked.name ?? (kind === 'sync' || kind === 'engine' ? null : looked[kind]) ?? kind;
}
