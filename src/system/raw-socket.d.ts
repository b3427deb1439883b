/** The part of the `raw-socket` package that src/system/vrrp-socket.ts uses; the package has no types of its own. */
declare module 'raw-socket' {
  import type { EventEmitter } from 'node:events';

  /** The native object behind a socket: its calls are plain system calls that throw an Error with strerror's text. */
  interface SocketWrap extends EventEmitter {
    recv(buffer: Buffer, onPacket: (buffer: Buffer, bytes: number, source: string) => void): void;
    send(buffer: Buffer, offset: number, length: number, address: string, onSent: (bytes: number) => void): void;
  }

  interface Socket extends EventEmitter {
    readonly wrap: SocketWrap;
    setOption(level: number, option: number, value: number): void;
    setOption(level: number, option: number, value: Buffer, length: number): void;
    close(): void;
  }

  const raw: {
    AddressFamily: { IPv4: number; IPv6: number };
    createSocket(options: { protocol: number; addressFamily?: number; bufferSize?: number }): Socket;
  };
  export default raw;
}
