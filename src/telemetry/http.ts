/**
 * The HTTP listener of /metrics and /healthz. Read-only, loopback unless the configuration says otherwise, and never in the way: an error
 * is one 500, not the end of the process.
 */
import { createServer, type Server, type ServerResponse } from 'node:http';
import type { AddressInfo } from 'node:net';
import type { Metrics } from './metrics.js';

/** A scraper that sends half a request is let go. */
const REQUEST_LIMIT_MS = 5000;
const MAX_CONNECTIONS = 64;

export interface Health {
  ok: boolean;
  reason: string;
}

export interface TelemetryServerOptions {
  address: string;
  /** 0: any free one. */
  port: number;
  metrics: Metrics;
  health(): Health;
  onError(error: unknown): void;
}

export interface TelemetryServer {
  /** As host:port. */
  address: string;
  close(): Promise<void>;
}

export async function startTelemetryServer(options: TelemetryServerOptions): Promise<TelemetryServer> {
  const server = createServer((request, response) => {
    answer(options, request.method ?? '', request.url ?? '', response).catch((error: unknown) => {
      options.onError(error);
      reply(response, 500, 'text/plain', 'internal error\n');
    });
  });
  server.requestTimeout = REQUEST_LIMIT_MS;
  server.headersTimeout = REQUEST_LIMIT_MS;
  server.maxConnections = MAX_CONNECTIONS;
  await listen(server, options);
  server.on('error', options.onError);
  const bound = server.address() as AddressInfo;
  return { address: `${bound.address}:${bound.port}`, close: () => close(server) };
}

const listen = (server: Server, { port, address }: TelemetryServerOptions): Promise<void> =>
  new Promise((resolve, reject) => {
    server.once('error', reject);
    server.listen(port, address, () => {
      server.off('error', reject);
      resolve();
    });
  });

const close = (server: Server): Promise<void> =>
  new Promise((resolve) => {
    server.close(() => resolve());
    server.closeAllConnections();
  });

async function answer(options: TelemetryServerOptions, method: string, url: string, response: ServerResponse): Promise<void> {
  if (method !== 'GET' && method !== 'HEAD') return reply(response, 405, 'text/plain', 'only GET\n');
  switch (url.split('?')[0]) {
    case '/metrics':
      return reply(response, 200, options.metrics.contentType, await options.metrics.render());
    case '/healthz': {
      const health = options.health();
      return reply(response, health.ok ? 200 : 503, 'application/json', `${JSON.stringify(health)}\n`);
    }
    default:
      return reply(response, 404, 'text/plain', 'try /metrics or /healthz\n');
  }
}

function reply(response: ServerResponse, status: number, type: string, body: string): void {
  if (response.headersSent) return;
  response.writeHead(status, { 'content-type': type, 'content-length': Buffer.byteLength(body) });
  response.end(body);
}
