/**
 * The traffic of a lab: servers, and a client with TCP load, UDP probe and web requests, as agents in their namespaces.
 */
import { arpFrame } from '../packet/build.js';
import type { Agent } from './agent.js';
import type { Lab } from './lab.js';
import { legOn, PORTS, VIP } from './plan.js';
import type { AskApi, EchoApi, FramesApi, LoadApi, LoadOptions, ProbeApi, ServerApi, WebApi } from './workload-api.js';

export interface Workload {
  servers: Agent<ServerApi>[];
  load: Agent<LoadApi>;
  probe: Agent<ProbeApi>;
  web: Agent<WebApi>;
}

/** Every server: TCP and HTTP in one process, UDP echo (through NAT, and on the VIP by direct return) in another. */
export const startServers = (lab: Lab): Promise<Agent<ServerApi>[]> =>
  Promise.all(
    lab.plan.servers.map(async (server) => {
      const endpoints = [`${legOn(server, 'server').address}:${PORTS.probe}`, `${VIP}:${PORTS.directProbe}`];
      const [agent] = await Promise.all([
        lab.agent<ServerApi>({ name: server.name, machine: server.name, script: 'server', args: [server.name] }),
        startEcho(lab, server.name, endpoints),
      ]);
      return agent;
    }),
  );

export const startEcho = (lab: Lab, machine: string, endpoints: string[]): Promise<Agent<EchoApi>> =>
  lab.agent<EchoApi>({ name: `echo on ${machine}`, machine, script: 'echo', args: [machine, ...endpoints], realtime: true });

export const startProbe = (lab: Lab, machine = 'cl1'): Promise<Agent<ProbeApi>> =>
  lab.agent<ProbeApi>({ name: 'probe', machine, script: 'probe', realtime: true });

export const startLoad = (lab: Lab, machine = 'cl1'): Promise<Agent<LoadApi>> =>
  lab.agent<LoadApi>({ name: 'load', machine, script: 'load' });

export const startWeb = (lab: Lab, machine = 'cl1'): Promise<Agent<WebApi>> => lab.agent<WebApi>({ name: 'web', machine, script: 'web' });

export async function startWorkload(lab: Lab): Promise<Workload> {
  const [servers, load, probe, web] = await Promise.all([startServers(lab), startLoad(lab), startProbe(lab), startWeb(lab)]);
  return { servers, load, probe, web };
}

/** Connections of the load, as the promises are worded: a message each 100 ms. */
export const MESSAGE_EVERY_MS = 100;
const OPEN_PER_SECOND = 2000;

export const natConnections = (connections: number): LoadOptions => ({
  target: VIP,
  port: PORTS.echo,
  connections,
  everyMs: MESSAGE_EVERY_MS,
  perSecond: OPEN_PER_SECOND,
});

export const dsrConnections = (connections: number): LoadOptions => ({ ...natConnections(connections), port: PORTS.direct });

/** The server speaks first: the client is silent after its first word. */
export const silentConnections = (connections: number): LoadOptions => ({
  ...natConnections(connections),
  port: PORTS.speak,
  silent: true,
});

/** One datagram each millisecond, all of one flow. */
export const PROBE = { target: VIP, port: PORTS.probe, everyMs: 1, fresh: false };

/** Sends frames that no kernel would send. */
export const startFrames = (lab: Lab, machine = 'cl1'): Promise<Agent<FramesApi>> =>
  lab.agent<FramesApi>({ name: 'frames', machine, script: 'frames', args: [legOn(lab.machine(machine), 'client').interface] });

/** Asks for addresses when it is told how. */
export const startAsking = (lab: Lab, machine: string): Promise<Agent<AskApi>> =>
  lab.agent<AskApi>({ name: 'ask', machine, script: 'ask', args: [legOn(lab.machine(machine), 'client').interface] });

/** Asks for the VIP by ARP all the time. */
export async function askForVip(lab: Lab, machine: string, everyMs: number): Promise<Agent<AskApi>> {
  const { address, mac } = legOn(lab.machine(machine), 'client');
  const agent = await startAsking(lab, machine);
  const question = arpFrame({ operation: 'request', senderMac: mac, senderAddress: address, targetAddress: VIP });
  await agent.call('start', { frames: [question.toString('hex')], everyMs });
  return agent;
}
