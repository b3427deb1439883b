/**
 * One ICMP echo request to an IPv4 address and its answer. A raw socket per question, closed with it: questions are rare, and a socket
 * that stays open would have to read every ICMP packet of the machine.
 */
import raw from 'raw-socket';

const ICMP_PROTOCOL = 1;
const ECHO_REQUEST = 8;
const ECHO_REPLY = 0;
const ICMP_HEADER_BYTES = 8;
const PACKET_BYTES = 1500;
/** Linux: SOL_RAW and ICMP_FILTER; a set bit keeps that type away from the socket. */
const SOL_RAW = 255;
const ICMP_FILTER = 1;
/** Says in a capture who asked. */
const PAYLOAD = Buffer.from('tandem track');

export interface EchoAnswer {
  ok: boolean;
  reason: string;
}

/** Answers at most once; the caller cancels when it has waited long enough. */
export function pingOnce(address: string, onAnswer: (answer: EchoAnswer) => void): () => void {
  const identifier = 1 + Math.floor(Math.random() * 0xfffe);
  let socket: ReturnType<typeof raw.createSocket> | null = null;
  let isOver = false;
  const end = (answer: EchoAnswer | null): void => {
    if (isOver) return;
    isOver = true;
    socket?.close();
    if (answer !== null) onAnswer(answer);
  };
  const refuse = (error: unknown): void => {
    const reason = error instanceof Error ? error.message : String(error);
    // Told later, as every answer is: the caller has not yet seen our return.
    setImmediate(() => end({ ok: false, reason }));
  };
  try {
    socket = raw.createSocket({ protocol: ICMP_PROTOCOL, bufferSize: 64 });
    const { wrap } = socket;
    const filter = Buffer.alloc(4);
    filter.writeUInt32LE(~(1 << ECHO_REPLY) >>> 0);
    socket.setOption(SOL_RAW, ICMP_FILTER, filter, filter.length);
    socket.on('error', (error: Error) => end({ ok: false, reason: error.message }));
    wrap.removeAllListeners('recvReady');
    const buffer = Buffer.alloc(PACKET_BYTES);
    wrap.on('recvReady', () => {
      if (!isOver && receive(wrap, buffer, address, identifier)) end({ ok: true, reason: 'answers ping' });
    });
    const request = echoRequest(identifier);
    wrap.send(request, 0, request.length, address, () => undefined);
  } catch (error) {
    refuse(error);
  }
  return () => end(null);
}

type Wrap = ReturnType<typeof raw.createSocket>['wrap'];

/** Takes one packet; true when it is the answer. */
function receive(wrap: Wrap, buffer: Buffer, address: string, identifier: number): boolean {
  let isAnswer = false;
  try {
    wrap.recv(buffer, (whole, bytes, source) => {
      const at = (whole.readUInt8(0) & 0x0f) * 4;
      if (source !== address || bytes < at + ICMP_HEADER_BYTES) return;
      isAnswer = whole.readUInt8(at) === ECHO_REPLY && whole.readUInt16BE(at + 4) === identifier;
    });
  } catch {
    // A pending error of the socket (no route any more) was read off; the time limit will speak.
    return false;
  }
  return isAnswer;
}

export function echoRequest(identifier: number): Buffer {
  const packet = Buffer.concat([Buffer.alloc(ICMP_HEADER_BYTES), PAYLOAD]);
  packet.writeUInt8(ECHO_REQUEST, 0);
  packet.writeUInt16BE(identifier, 4);
  packet.writeUInt16BE(1, 6);
  packet.writeUInt16BE(checksum(packet), 2);
  return packet;
}

/** RFC 1071; the packet's length is even. */
function checksum(packet: Buffer): number {
  let sum = 0;
  for (let at = 0; at < packet.length; at += 2) sum += packet.readUInt16BE(at);
  while (sum > 0xffff) sum = (sum & 0xffff) + (sum >>> 16);
  return ~sum & 0xffff;
}
