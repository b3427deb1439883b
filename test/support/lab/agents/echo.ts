/**
 * UDP echo that names who answers; alone in its process, so that no other work delays it. Used on servers, and on a node for a load
 * balancer that owns the VIP as an interface address: there it is bound to the VIP whether the node has it or not.
 * Arguments: name, then ADDRESS:PORT once or more.
 */
import { createSocket } from 'node:dgram';
import { writeFileSync } from 'node:fs';
import { type EchoApi, GREETING_BYTES } from '../workload-api.js';
import { serveCalls } from './agent-host.js';

const [name = '', ...endpoints] = process.argv.slice(2);
const named = Buffer.alloc(GREETING_BYTES);
named.write(name);

/** One socket for each address: an unbound one would answer from whatever address the route prefers. */
function listen(address: string, port: number): void {
  const socket = createSocket('udp4');
  socket.on('message', (message, from) => socket.send([message, named], from.port, from.address));
  // Sending from the VIP fails while the node does not have it.
  socket.on('error', () => undefined);
  socket.bind(port, address);
}

writeFileSync('/proc/sys/net/ipv4/ip_nonlocal_bind', '1');
for (const endpoint of endpoints) {
  const [address = '', port = ''] = endpoint.split(':');
  listen(address, Number(port));
}

const api: EchoApi = { hello: () => null };
serveCalls(api);
