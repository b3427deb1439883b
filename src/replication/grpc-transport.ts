/**
 * Streams of messages over gRPC: HTTP/2 with mutual TLS, one bidirectional method, messages passed as they are (no protobuf). Every dial
 * has its own channel, so that a dead connection is never waited for. Both sides check who the other is: the dialled certificate must
 * name the node that was dialled, the names of the dialling one are handed on.
 */

import { checkServerIdentity, type PeerCertificate } from 'node:tls';
import grpc from '@grpc/grpc-js';
import { MAX_FRAME_BYTES, WINDOW_BYTES } from './limits.js';
import type { IncomingStream, StreamHandlers, Transport } from './transport.js';

export interface GrpcTransportOptions {
  /** Where to listen: this node's address. */
  address: string;
  /** Of every node. */
  port: number;
  /** PEM. */
  tls: { ca: Buffer; cert: Buffer; key: Buffer };
}

export class ReplicationListenError extends Error {
  readonly code = 'REPLICATION_LISTEN';
  readonly source = 'config';
  readonly retryable = true;
  constructor(address: string, port: number, cause: Error) {
    super(`cannot listen for replication on ${address}:${port}: ${cause.message}`, { cause });
    this.name = 'ReplicationListenError';
  }
}

// Every failure is told to the caller, once; the library's own lines on stderr would be a second voice.
grpc.setLogVerbosity(grpc.logVerbosity.NONE);

const same = (message: Buffer): Buffer => message;

const STREAM: grpc.MethodDefinition<Buffer, Buffer> = {
  path: '/tandem.replication.v1.Replication/Stream',
  requestStream: true,
  responseStream: true,
  requestSerialize: same,
  requestDeserialize: same,
  responseSerialize: same,
  responseDeserialize: same,
};

const CHANNEL_OPTIONS: grpc.ChannelOptions = {
  'grpc.max_receive_message_length': MAX_FRAME_BYTES,
  'grpc.max_send_message_length': MAX_FRAME_BYTES,
  'grpc.enable_http_proxy': 0,
  'grpc.enable_channelz': 0,
  'grpc.enable_retries': 0,
  'grpc.use_local_subchannel_pool': 1,
  'grpc.service_config_disable_resolution': 1,
  'grpc-node.flow_control_window': 2 * WINDOW_BYTES,
  // The session notices a dead peer within a second; this only makes TCP let go of what it left behind.
  'grpc.keepalive_time_ms': 5000,
  'grpc.keepalive_timeout_ms': 5000,
  'grpc.keepalive_permit_without_calls': 1,
};

export function createGrpcTransport(options: GrpcTransportOptions): Transport {
  const { ca, cert, key } = options.tls;
  let server: grpc.Server | null = null;

  return {
    dial(peer, handlers) {
      const credentials = grpc.credentials.createSsl(ca, key, cert, {
        checkServerIdentity: (_host, certificate) => checkServerIdentity(peer.node, certificate),
      });
      const names = { 'grpc.ssl_target_name_override': peer.node, 'grpc.default_authority': peer.node };
      const client = new grpc.Client(`${peer.address}:${options.port}`, credentials, { ...CHANNEL_OPTIONS, ...names });
      return dialled(client, handlers);
    },
    listen(accept) {
      const listening = new grpc.Server(CHANNEL_OPTIONS);
      server = listening;
      listening.addService({ stream: STREAM }, { stream: (call: grpc.ServerDuplexStream<Buffer, Buffer>) => incoming(call, accept) });
      const credentials = grpc.ServerCredentials.createSsl(ca, [{ cert_chain: cert, private_key: key }], true);
      return new Promise((resolve, reject) => {
        listening.bindAsync(`${options.address}:${options.port}`, credentials, (error) => {
          if (error === null) resolve();
          else reject(new ReplicationListenError(options.address, options.port, error));
        });
      });
    },
    async close() {
      server?.forceShutdown();
      server = null;
    },
  };
}

function dialled(client: grpc.Client, handlers: StreamHandlers): { write(message: Buffer): boolean; close(): void } {
  const call = client.makeBidiStreamRequest(STREAM.path, same, same, new grpc.Metadata());
  let isOpen = true;
  const end = (): void => {
    isOpen = false;
    client.close();
  };
  call.on('metadata', () => isOpen && handlers.onOpen());
  call.on('data', (message: Buffer) => isOpen && handlers.onMessage(message));
  call.on('drain', () => isOpen && handlers.onWritable());
  call.on('error', (error: Error) => fail('details' in error ? String(error.details) : error.message));
  call.on('end', () => fail('the peer closed the stream'));
  const fail = (reason: string): void => {
    if (!isOpen) return;
    end();
    handlers.onClose(reason);
  };
  return {
    write: (message) => isOpen && call.write(message),
    close() {
      if (!isOpen) return;
      end();
      call.cancel();
    },
  };
}

function incoming(call: grpc.ServerDuplexStream<Buffer, Buffer>, accept: (stream: IncomingStream) => StreamHandlers): void {
  let isOpen = true;
  const fail = (reason: string): void => {
    if (!isOpen) return;
    isOpen = false;
    handlers.onClose(reason);
  };
  const handlers = accept({
    certifiedNames: certifiedNames(call.getAuthContext().sslPeerCertificate),
    write: (message) => isOpen && call.write(message),
    close() {
      isOpen = false;
      call.end();
    },
  });
  call.on('data', (message: Buffer) => isOpen && handlers.onMessage(message));
  call.on('drain', () => isOpen && handlers.onWritable());
  call.on('cancelled', () => fail('the peer went away'));
  call.on('error', (error: Error) => fail(error.message));
  call.on('end', () => {
    fail('the peer ended the stream');
    call.end();
  });
  call.sendMetadata(new grpc.Metadata());
}

/** DNS names of a certificate: "DNS:lb1, IP Address:10.0.0.1" becomes ["lb1"]. Node escapes odd names with quotes; those name nobody. */
function certifiedNames(certificate: PeerCertificate | undefined): string[] {
  const names = certificate?.subjectaltname?.split(', ') ?? [];
  return names.filter((name) => name.startsWith('DNS:') && !name.includes('"')).map((name) => name.slice('DNS:'.length));
}
