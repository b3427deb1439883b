/**
 * Frames to bytes and back. One frame is one gRPC message: a header of 16 bytes (type, flags, two zero bytes, payload length, sequence;
 * little-endian) and a payload that is opaque records or JSON. Decoding never throws and never copies records: they are a view of the
 * message. What is not exactly well-formed is refused with a reason.
 */
import type { ChunkMode, Decoded, DecodeReason, Frame, FrameType } from './frames.js';
import { count, fields, list, readControl, readHello, readRouterDigest, text, truth } from './json-shape.js';
import { CHUNK_HEADER_BYTES, FRAME_HEADER_BYTES, MAX_FRAME_BYTES, MAX_JSON_BYTES, RECORD_BYTES } from './limits.js';

/** Numbers on the wire; never reused. */
const CODES: Record<FrameType, number> = {
  hello: 1,
  resume: 2,
  records: 3,
  control: 4,
  skip: 5,
  gap: 6,
  bulkBegin: 7,
  bulkChunk: 8,
  bulkEnd: 9,
  digest: 10,
  ping: 11,
  ack: 12,
  bulkDone: 13,
  compared: 14,
  resync: 15,
  refuse: 16,
};
const TYPES = new Map(Object.entries(CODES).map(([type, code]) => [code, type as FrameType]));

/** Frames whose header carries a sequence; it is 0 in all others. */
const NUMBERED: ReadonlySet<FrameType> = new Set([
  'records',
  'control',
  'skip',
  'gap',
  'bulkBegin',
  'bulkChunk',
  'bulkEnd',
  'digest',
  'resume',
  'ack',
]);

const CHUNK_FLAGS: Record<ChunkMode, number> = { bulk: 1, merge: 2 };

export function encode(frame: Frame): Buffer {
  switch (frame.type) {
    case 'records':
      return withRecords(frame.type, 0, frame.sequence, frame.records, 0);
    case 'bulkChunk': {
      const message = withRecords(frame.type, CHUNK_FLAGS[frame.mode], frame.sequence, frame.records, CHUNK_HEADER_BYTES);
      message.writeUInt32LE(frame.bulk, FRAME_HEADER_BYTES);
      message.writeUInt32LE(frame.index, FRAME_HEADER_BYTES + 4);
      return message;
    }
    case 'skip':
    case 'ack':
      return header(Buffer.allocUnsafe(FRAME_HEADER_BYTES), frame.type, 0, frame.sequence);
    case 'ping':
      return header(Buffer.allocUnsafe(FRAME_HEADER_BYTES), frame.type, 0, 0);
    case 'hello':
      return withJson(frame.type, 0, frame.hello);
    case 'control':
      return withJson(frame.type, frame.sequence, frame.message);
    default: {
      const { type, ...rest } = frame;
      const sequence = 'sequence' in frame ? frame.sequence : 0;
      return withJson(type, sequence, { ...rest, sequence: undefined });
    }
  }
}

export function decode(message: Buffer): Decoded {
  if (message.length < FRAME_HEADER_BYTES) return refuse('short');
  if (message.length > MAX_FRAME_BYTES) return refuse('long');
  const type = TYPES.get(message.readUInt8(0));
  if (type === undefined) return refuse('unknownType');
  if (message.readUInt16LE(2) !== 0) return refuse('badReserved');
  if (message.readUInt32LE(4) !== message.length - FRAME_HEADER_BYTES) return refuse('badLength');
  const sequence = readSequence(message);
  if (sequence === undefined || (sequence !== 0 && !NUMBERED.has(type))) return refuse('badSequence');
  if (type !== 'bulkChunk' && message.readUInt8(1) !== 0) return refuse('badFlags');
  const payload = message.subarray(FRAME_HEADER_BYTES);
  switch (type) {
    case 'records':
      return isWholeRecords(payload) ? accept({ type, sequence, records: payload }) : refuse('badRecords');
    case 'bulkChunk':
      return decodeChunk(message.readUInt8(1), sequence, payload);
    case 'skip':
    case 'ack':
      return payload.length === 0 ? accept({ type, sequence }) : refuse('badLength');
    case 'ping':
      return payload.length === 0 ? accept({ type }) : refuse('badLength');
    default:
      return decodeJson(type, sequence, payload);
  }
}

const accept = (frame: Frame): Decoded => ({ ok: true, frame });
const refuse = (reason: DecodeReason): Decoded => ({ ok: false, reason });

function header(message: Buffer, type: FrameType, flags: number, sequence: number): Buffer {
  message.writeUInt8(CODES[type], 0);
  message.writeUInt8(flags, 1);
  message.writeUInt16LE(0, 2);
  message.writeUInt32LE(message.length - FRAME_HEADER_BYTES, 4);
  message.writeUInt32LE(sequence % 2 ** 32, 8);
  message.writeUInt32LE(Math.floor(sequence / 2 ** 32), 12);
  return message;
}

function withRecords(type: FrameType, flags: number, sequence: number, records: Buffer, extra: number): Buffer {
  const message = Buffer.allocUnsafe(FRAME_HEADER_BYTES + extra + records.length);
  records.copy(message, FRAME_HEADER_BYTES + extra);
  return header(message, type, flags, sequence);
}

function withJson(type: FrameType, sequence: number, value: unknown): Buffer {
  const json = Buffer.from(JSON.stringify(value), 'utf8');
  const message = Buffer.allocUnsafe(FRAME_HEADER_BYTES + json.length);
  json.copy(message, FRAME_HEADER_BYTES);
  return header(message, type, 0, sequence);
}

function readSequence(message: Buffer): number | undefined {
  const sequence = message.readUInt32LE(12) * 2 ** 32 + message.readUInt32LE(8);
  return Number.isSafeInteger(sequence) ? sequence : undefined;
}

const isWholeRecords = (payload: Buffer): boolean => payload.length > 0 && payload.length % RECORD_BYTES === 0;

function decodeChunk(flags: number, sequence: number, payload: Buffer): Decoded {
  const mode = flags === CHUNK_FLAGS.bulk ? 'bulk' : flags === CHUNK_FLAGS.merge ? 'merge' : undefined;
  if (mode === undefined) return refuse('badFlags');
  if (payload.length < CHUNK_HEADER_BYTES) return refuse('badRecords');
  const records = payload.subarray(CHUNK_HEADER_BYTES);
  if (!isWholeRecords(records)) return refuse('badRecords');
  return accept({ type: 'bulkChunk', sequence, bulk: payload.readUInt32LE(0), index: payload.readUInt32LE(4), mode, records });
}

function decodeJson(type: FrameType, sequence: number, payload: Buffer): Decoded {
  if (payload.length > MAX_JSON_BYTES) return refuse('long');
  let value: unknown;
  try {
    value = JSON.parse(payload.toString('utf8'));
  } catch {
    return refuse('badJson');
  }
  const frame = readFrame(type, sequence, value);
  return frame === undefined ? refuse('badShape') : accept(frame);
}

function readFrame(type: FrameType, sequence: number, value: unknown): Frame | undefined {
  const from = fields(value);
  if (from === undefined) return undefined;
  const reason = text(from.reason);
  const bulk = count(from.bulk);
  switch (type) {
    case 'hello': {
      const hello = readHello(value);
      return hello && { type, hello };
    }
    case 'control': {
      const message = readControl(value);
      return message && { type, sequence, message };
    }
    case 'resume': {
      const instance = text(from.instance);
      const complete = truth(from.complete);
      return instance === undefined || complete === undefined ? undefined : { type, sequence, instance, complete };
    }
    case 'gap':
      return reason === undefined ? undefined : { type, sequence, reason };
    case 'resync':
    case 'refuse':
      return reason === undefined ? undefined : { type, reason };
    case 'bulkBegin':
      return bulk === undefined ? undefined : { type, sequence, bulk };
    case 'bulkDone':
      return bulk === undefined ? undefined : { type, bulk };
    case 'bulkEnd': {
      const chunks = count(from.chunks);
      const routers = list(from.routers, text);
      return bulk === undefined || chunks === undefined || routers === undefined ? undefined : { type, sequence, bulk, chunks, routers };
    }
    case 'digest': {
      const routers = list(from.routers, readRouterDigest);
      return routers && { type, sequence, routers };
    }
    case 'compared': {
      const matched = truth(from.matched);
      return matched === undefined ? undefined : { type, matched };
    }
    default:
      return undefined;
  }
}
