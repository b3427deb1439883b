/**
 * One JSON value per line over a Unix stream socket: server for the long-lived side, client for whoever comes and goes. Output is
 * bounded: a reader that stops reading is cut off instead of filling our memory. Bytes that are no JSON close the connection.
 */
import { chmodSync, unlinkSync } from 'node:fs';
import { connect, createServer, type Socket } from 'node:net';

/** A line is a status or a command: far below this. */
const MAX_LINE_BYTES = 1 << 20;
/** Unsent output at which a peer counts as stuck. */
const MAX_UNSENT_BYTES = 4 << 20;

export interface LineConnection {
  send(message: unknown): void;
  close(): void;
}

export interface LineServer {
  close(): void;
}

export interface LineServerOptions {
  onConnect(connection: LineConnection): void;
  onMessage(connection: LineConnection, message: unknown): void;
  onClose(connection: LineConnection): void;
  onError(error: Error): void;
  onListening?(): void;
}

export interface LineClientOptions {
  onConnect(connection: LineConnection): void;
  onMessage(message: unknown): void;
  /** Also when nobody listened there: then without `onConnect` before. */
  onClose(): void;
}

/** Splits a byte stream into lines; `feed` returns false when the stream cannot be trusted any longer. */
class LineReader {
  private rest = '';
  private readonly onValue: (value: unknown) => void;

  constructor(onValue: (value: unknown) => void) {
    this.onValue = onValue;
  }

  feed(chunk: string): boolean {
    this.rest += chunk;
    for (let end = this.rest.indexOf('\n'); end >= 0; end = this.rest.indexOf('\n')) {
      const line = this.rest.slice(0, end);
      this.rest = this.rest.slice(end + 1);
      const value = parseLine(line);
      if (value === undefined) return false;
      this.onValue(value);
    }
    return this.rest.length <= MAX_LINE_BYTES;
  }
}

function parseLine(line: string): unknown {
  try {
    return JSON.parse(line);
  } catch {
    return undefined;
  }
}

function connectionOn(socket: Socket): LineConnection {
  return {
    send(message) {
      if (socket.destroyed || !socket.writable) return;
      if (socket.writableLength > MAX_UNSENT_BYTES) socket.destroy();
      else socket.write(`${JSON.stringify(message)}\n`);
    },
    close: () => socket.destroySoon(),
  };
}

function read(socket: Socket, onValue: (value: unknown) => void): void {
  const reader = new LineReader(onValue);
  socket.setEncoding('utf8');
  socket.on('data', (chunk: string) => {
    if (!reader.feed(chunk)) socket.destroy();
  });
}

/** Listens at `path` (mode 0600), replacing a socket file that a dead predecessor left. */
export function listenLines(path: string, options: LineServerOptions): LineServer {
  const open = new Set<Socket>();
  const server = createServer((socket) => {
    const connection = connectionOn(socket);
    open.add(socket);
    socket.on('error', () => socket.destroy());
    socket.on('close', () => {
      open.delete(socket);
      options.onClose(connection);
    });
    options.onConnect(connection);
    read(socket, (value) => options.onMessage(connection, value));
  });
  server.on('error', options.onError);
  removeStale(path);
  server.listen(path, () => {
    chmodSync(path, 0o600);
    options.onListening?.();
  });
  return {
    close() {
      server.close();
      for (const socket of open) socket.destroySoon();
    },
  };
}

function removeStale(path: string): void {
  try {
    unlinkSync(path);
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code !== 'ENOENT') throw error;
  }
}

export function connectLines(path: string, options: LineClientOptions): LineConnection {
  const socket = connect(path);
  const connection = connectionOn(socket);
  socket.on('connect', () => options.onConnect(connection));
  socket.on('error', () => socket.destroy());
  socket.on('close', () => options.onClose());
  read(socket, options.onMessage);
  return connection;
}
