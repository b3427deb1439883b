/**
 * What replication needs from a network: ordered streams of messages to and from named peers. src/replication/grpc-transport.ts is the
 * real one; tests bring their own. Types only.
 */

export interface PeerStream {
  /** False when the caller should wait for `onWritable`; the message was taken nevertheless. */
  write(message: Buffer): boolean;
  /** Ends the stream at once; its handlers are not called any more. */
  close(): void;
}

export interface StreamHandlers {
  /** Dialled streams only: the peer accepted. */
  onOpen(): void;
  onMessage(message: Buffer): void;
  onWritable(): void;
  onClose(reason: string): void;
}

export interface IncomingStream extends PeerStream {
  /** Names that the peer's verified certificate speaks for. */
  certifiedNames: readonly string[];
}

export interface Transport {
  /** The handlers are called later, never before this returns. */
  dial(peer: { node: string; address: string }, handlers: StreamHandlers): PeerStream;
  /** Rejects with a TandemError-like error when the address cannot be bound. */
  listen(accept: (stream: IncomingStream) => StreamHandlers): Promise<void>;
  close(): Promise<void>;
}
