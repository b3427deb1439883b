/**
 * Both ways of attaching the program carry connections byte for byte, whatever else arrives; and where checksums are left unfinished by
 * the network stack, servers and clients still see right ones.
 */
import t, { type Test } from 'tap';
import type { Agent } from '../support/lab/agent.js';
import { labIsImpossible, startCluster, type TestCluster } from '../support/lab/fixture.js';
import { type Leg, legOn, PORTS, VIP } from '../support/lab/plan.js';
import { waitAnswered } from '../support/lab/trial.js';
import { waitFor } from '../support/lab/wait-for.js';
import { dsrConnections, natConnections, PROBE, silentConnections, startFrames, startLoad, startProbe } from '../support/lab/workload.js';
import type { LoadApi } from '../support/lab/workload-api.js';
import { type Party, tcpFrame, udpFrame } from '../support/packet/build.js';

const NAT = 100;
const DSR = 20;
const SILENT = 10;
/** Each server says this much at once on a silent connection: many full segments, and one large packet where the stack may build one. */
const SPOKEN_BYTES = 65_536;
const LIMIT_MS = 15_000;

/** Connections of every kind, opened; `finish` judges them. */
async function traffic({ lab, servers }: TestCluster): Promise<{ finish: (t: Test) => Promise<void> }> {
  const load = await startLoad(lab);
  const groups: [string, ReturnType<typeof natConnections>][] = [
    ['nat', natConnections(NAT)],
    ['dsr', dsrConnections(DSR)],
    ['silent', silentConnections(SILENT)],
  ];
  for (const [group, options] of groups) await load.call('open', { group, ...options });
  return {
    finish: async (t) => {
      const spoken = await Promise.all(servers.map((server) => server.call('speak', { bytes: SPOKEN_BYTES })));
      t.equal(
        spoken.reduce((sum, { connections }) => sum + connections, 0),
        SILENT,
      );
      await heard(load, SILENT * SPOKEN_BYTES);
      for (const [group, { connections }] of groups) {
        const report = await load.call('finish', { group, limitMs: LIMIT_MS, faultMs: 0, youngMs: 0 });
        t.match(report, { established: connections, alive: connections, reset: 0, corrupted: 0, silent: 0 }, group);
        t.ok(report.bytesVerified > 0, `${group}: ${report.bytesVerified} bytes verified`);
      }
    },
  };
}

const heard = (load: Agent<LoadApi>, bytes: number): Promise<boolean> =>
  waitFor('all that the servers said', async () => (await load.call('counts', { group: 'silent' })).bytesVerified >= bytes, {
    limitMs: LIMIT_MS,
  });

const dropsOf = async ({ tandem, active }: TestCluster): Promise<Record<string, number>> => (await tandem.status(active)).dataPlane.drops;

/** Counters of a machine's IP stack, such as `Tcp.InCsumErrors`. */
async function stackCounters({ lab }: TestCluster, machine: string): Promise<Map<string, number>> {
  const lines = (await lab.run(machine, 'cat /proc/net/snmp')).trim().split('\n');
  const counters = new Map<string, number>();
  for (let at = 0; at + 1 < lines.length; at += 2) {
    const [names = [], values = []] = [lines[at], lines[at + 1]].map((line) => line?.split(' '));
    for (const [index, name] of names.entries()) if (index > 0) counters.set(`${names[0]?.slice(0, -1)}.${name}`, Number(values[index]));
  }
  return counters;
}

async function sumOver(cluster: TestCluster, machines: readonly string[], counter: string): Promise<number> {
  const all = await Promise.all(machines.map((machine) => stackCounters(cluster, machine)));
  return all.reduce((sum, counters) => {
    const value = counters.get(counter);
    if (value === undefined) throw new Error(`the kernel has no counter ${counter}`);
    return sum + value;
  }, 0);
}

interface Ends {
  from: Party;
  to: Party;
}

function ends({ lab, active }: TestCluster, port: number): Ends {
  const client = legOn(lab.machine('cl1'), 'client');
  const node = legOn(lab.machine(active), 'client');
  return { from: { mac: client.mac, address: client.address, port: 5555 }, to: { mac: node.mac, address: VIP, port } };
}

const MORE_FRAGMENTS = 0x2000;
/** Of 8-byte units. */
const LATER_FRAGMENT = 185;
const NO_OPERATIONS = Buffer.from([1, 1, 1, 1, 1, 1, 1, 0]);

function withWord(frame: Buffer, at: number, value: number): Buffer {
  frame.writeUInt16BE(value, at);
  return frame;
}

/** Offsets in a frame whose IP header has no options. */
const IP_LENGTH = 16;
const UDP_LENGTH = 38;
const UDP_CHECKSUM = 40;
const TCP_CHECKSUM = 50;

/** Frames to the VIP that are dropped, by the reason that has to be counted. */
function unusual(cluster: TestCluster): Record<'fragment' | 'malformed', Buffer[]> {
  const tcp = ends(cluster, PORTS.echo);
  const udp = ends(cluster, PORTS.probe);
  const payload = Buffer.alloc(64, 7);
  return {
    fragment: [
      udpFrame({ ...udp, payload, fragment: MORE_FRAGMENTS }),
      udpFrame({ ...udp, payload, fragment: MORE_FRAGMENTS | LATER_FRAGMENT }),
      tcpFrame({ ...tcp, payload, flags: 'PA', fragment: LATER_FRAGMENT }),
    ],
    malformed: [
      tcpFrame({ ...tcp, flags: 'S' }).subarray(0, 14 + 20 + 8),
      tcpFrame({ ...tcp, flags: 'PA', payload }).subarray(0, -10),
      tcpFrame({ ...tcp, flags: 'S', options: NO_OPERATIONS }).subarray(0, 14 + 24),
      withWord(tcpFrame({ ...tcp, flags: 'S' }), IP_LENGTH, 19),
      withWord(udpFrame({ ...udp, payload }), IP_LENGTH, 0xffff),
      withWord(udpFrame({ ...udp, payload }), UDP_LENGTH, 200),
    ],
  };
}

const ROUNDS = 20;
const digits = (frames: readonly Buffer[]): string[] => frames.map((frame) => frame.toString('hex'));

/** Unusual packets while traffic runs: counted one by one, and those with options arrive. */
async function disturb(t: Test, cluster: TestCluster): Promise<void> {
  const { lab } = cluster;
  const servers = lab.plan.servers.map((server) => server.name);
  const frames = await startFrames(lab);
  const before = await dropsOf(cluster);
  const { fragment, malformed } = unusual(cluster);
  const optional = udpFrame({ ...ends(cluster, PORTS.probe), payload: Buffer.alloc(64, 7), options: NO_OPERATIONS });
  const arrived = await sumOver(cluster, servers, 'Udp.InDatagrams');
  for (let round = 0; round < ROUNDS; round += 1) await frames.call('send', { frames: digits([...fragment, ...malformed, optional]) });
  const grown = async (reason: string): Promise<number> => ((await dropsOf(cluster))[reason] ?? 0) - (before[reason] ?? 0);
  const expected = { fragment: ROUNDS * fragment.length, malformed: ROUNDS * malformed.length };
  await waitFor('the drops to be counted', async () => {
    const counted = { fragment: await grown('fragment'), malformed: await grown('malformed') };
    if (counted.fragment >= expected.fragment && counted.malformed >= expected.malformed) return true;
    throw new Error(JSON.stringify(counted));
  });
  t.same({ fragment: await grown('fragment'), malformed: await grown('malformed') }, expected, 'each is counted once, by its reason');
  await waitFor(
    'packets with IP options to reach a server',
    async () => (await sumOver(cluster, servers, 'Udp.InDatagrams')) >= arrived + ROUNDS,
  );
  t.equal((await sumOver(cluster, servers, 'Udp.InDatagrams')) - arrived, ROUNDS, 'packets with IP options arrive, and only they');
}

/** Lets the stack leave checksums unfinished towards the nodes, and has the switch finish them before they reach anybody else. */
async function leaveUnfinished({ lab }: TestCluster): Promise<void> {
  const set = (legs: readonly Leg[], state: 'on' | 'off'): string[] => legs.map((leg) => `ethtool -K ${leg.port} tx ${state} > /dev/null`);
  const { nodes, servers, clients } = lab.plan;
  const commands = [
    ...nodes.flatMap((node) => set(node.legs, 'on')),
    ...[...servers, ...clients].flatMap((machine) => set(machine.legs, 'off')),
  ];
  await lab.switchShell.run(commands.join('\n'));
}

/** What tcpdump says about the checksums of the probe on its way to the active node. */
async function checksumsTowards({ lab, active }: TestCluster): Promise<string> {
  const { port } = legOn(lab.machine(active), 'client');
  return lab.switchShell.run(`timeout 10 tcpdump -i ${port} -Q out -c 5 --immediate-mode -nvv udp dst port ${PORTS.probe}`);
}

const impossible = labIsImpossible();
if (impossible !== null) t.plan(0, impossible);
else {
  for (const attach of ['native', 'generic'] as const) {
    t.test(`${attach}: connections byte for byte beside fragments, options and broken packets`, async (t) => {
      const cluster = await startCluster(t, { attach });
      const { tandem } = cluster;
      for (const node of tandem.nodes) {
        const { interfaces } = (await tandem.status(node)).dataPlane;
        t.match(
          interfaces,
          ['eth0', 'eth1'].map((name) => ({ name, attached: true, mode: attach, fallbackReason: null })),
          `${node} says the mode`,
        );
        t.equal(interfaces.length, 2);
        t.match(await cluster.lab.run(node, 'ethtool -k eth0'), /rx-vlan-offload: off/, `${node} sees VLAN tags`);
      }
      const { finish } = await traffic(cluster);
      await disturb(t, cluster);
      await finish(t);
    });
  }

  t.test('generic: checksums left unfinished by the stack arrive right', async (t) => {
    const cluster = await startCluster(t, { attach: 'generic' });
    const { lab } = cluster;
    await leaveUnfinished(cluster);
    const everybody = [...lab.plan.servers, ...lab.plan.clients].map((machine) => machine.name);
    const errors = async () => ({
      tcp: await sumOver(cluster, everybody, 'Tcp.InCsumErrors'),
      udp: await sumOver(cluster, everybody, 'Udp.InCsumErrors'),
    });
    const before = await errors();
    const probe = await startProbe(lab);
    await probe.call('start', PROBE);
    await waitAnswered(probe);
    const { finish } = await traffic(cluster);
    t.match(await checksumsTowards(cluster), /bad udp cksum/, 'they are unfinished on their way to the node');
    await finish(t);
    await probe.call('stop', null);
    const { sent, answered } = await waitFor('the last answers', async () => {
      const counts = await probe.call('counts', null);
      return counts.answered >= counts.sent && counts;
    });
    t.ok(answered === sent && sent > 100, `${answered} of ${sent} datagrams answered`);
    t.same(await errors(), before, 'nobody saw a wrong checksum');

    // The other way round: an error is neither mended nor hidden, so the counters above could have told.
    const frames = await startFrames(lab);
    const wrong = [tcpFrame({ ...ends(cluster, PORTS.echo), flags: 'S' }), udpFrame(ends(cluster, PORTS.probe))];
    withWord(wrong[0] as Buffer, TCP_CHECKSUM, 0x1234);
    withWord(wrong[1] as Buffer, UDP_CHECKSUM, 0x1234);
    await frames.call('send', { frames: digits(wrong) });
    await waitFor('the servers to count them', async () => {
      const now = await errors();
      return now.tcp === before.tcp + 1 && now.udp === before.udp + 1;
    });
    t.pass('a wrong checksum is seen by a server');
  });
}
