/**
 * A server of the lab: TCP echo after a greeting with its name (through NAT, and by direct return on the VIP that lies on lo), TCP that
 * speaks by itself when told to, HTTP. Argument: name. (UDP is echo.ts.)
 */
import { createServer as createHttpServer } from 'node:http';
import { createServer, type Server, type Socket } from 'node:net';
import { patternSlice } from '../pattern.js';
import { PORTS } from '../plan.js';
import { GREETING_BYTES, type ServerApi, SPOKEN_STREAM } from '../workload-api.js';
import { serveCalls } from './agent-host.js';

const [name = 'server'] = process.argv.slice(2);

const greeting = Buffer.alloc(GREETING_BYTES);
greeting.write(name);

const counts = { accepted: 0, open: 0, resets: 0 };
let healthy = true;
const listeners = new Map<number, Server>();

/** Connections of the speaking port that have said which stream is theirs, with the offset reached. */
const speakers = new Map<Socket, { stream: number; offset: number }>();

function accept(socket: Socket): void {
  counts.accepted += 1;
  counts.open += 1;
  socket.setNoDelay(true);
  socket.write(greeting);
  socket.on('error', (error: NodeJS.ErrnoException) => {
    if (error.code === 'ECONNRESET') counts.resets += 1;
  });
  socket.on('close', () => {
    counts.open -= 1;
    speakers.delete(socket);
  });
}

function listenEcho(port: number): void {
  const server = createServer({ allowHalfOpen: false }, (socket) => {
    accept(socket);
    socket.on('data', (chunk) => socket.write(chunk));
  });
  openListener(server, port);
}

function openListener(server: Server, port: number): Promise<null> {
  listeners.set(port, server);
  return new Promise((resolve) => server.listen({ port, host: '0.0.0.0', backlog: 4096 }, () => resolve(null)));
}

/** The client says its stream number (32 bits) once, possibly never in one piece. */
function listenSpeak(port: number): void {
  const server = createServer((socket) => {
    accept(socket);
    let heard = Buffer.alloc(0);
    socket.on('data', (chunk) => {
      heard = Buffer.concat([heard, chunk]);
      if (heard.length >= 4 && !speakers.has(socket)) speakers.set(socket, { stream: SPOKEN_STREAM + heard.readUInt32BE(0), offset: 0 });
    });
  });
  openListener(server, port);
}

function listenWeb(port: number): void {
  const server = createHttpServer((request, response) => {
    if (request.url === '/health')
      response.writeHead(healthy ? 200 : 503, { 'content-type': 'text/plain' }).end(healthy ? 'healthy\n' : 'sick\n');
    else response.writeHead(200, { 'content-type': 'text/plain', 'x-server': name }).end(`${name}\n`);
  });
  server.listen({ port, host: '0.0.0.0', backlog: 4096 });
}

listenEcho(PORTS.echo);
listenEcho(PORTS.direct);
listenSpeak(PORTS.speak);
listenWeb(PORTS.webServer);

const api: ServerApi = {
  hello: () => null,
  speak: ({ bytes }) => {
    for (const [socket, speaker] of speakers) {
      socket.write(Buffer.from(patternSlice(speaker.stream, speaker.offset, bytes)));
      speaker.offset += bytes;
    }
    return { connections: speakers.size };
  },
  health: ({ ok }) => {
    healthy = ok;
    return null;
  },
  listen: ({ port, isOpen }) => {
    const server = listeners.get(port);
    if (server === undefined) throw new Error(`nothing was ever listening on port ${port}`);
    if (isOpen) return openListener(server, port);
    // Its callback would wait for the connections, which are to stay.
    server.close();
    return Promise.resolve(null);
  },
  counts: () => ({ ...counts }),
};
serveCalls(api);
