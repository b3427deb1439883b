/**
 * UDP echo on a node itself, bound to the VIP whether the node has it or not: shows which node the VIP leads to, for a load balancer that
 * owns the VIP as an interface address. Argument: name of the node.
 */
import { createSocket } from 'node:dgram';
import { writeFileSync } from 'node:fs';
import { PORTS, VIP } from '../plan.js';
import { type EchoApi, GREETING_BYTES } from '../workload-api.js';
import { serveCalls } from './agent-host.js';

const [name = 'node'] = process.argv.slice(2);
const named = Buffer.alloc(GREETING_BYTES);
named.write(name);

writeFileSync('/proc/sys/net/ipv4/ip_nonlocal_bind', '1');
const socket = createSocket('udp4');
socket.on('message', (message, from) => socket.send([message, named], from.port, from.address));
// Sending from the VIP fails while the node does not have it.
socket.on('error', () => undefined);
socket.bind(PORTS.probe, VIP);

const api: EchoApi = { hello: () => null };
serveCalls(api);
