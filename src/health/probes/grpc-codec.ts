/**
 * The two messages of grpc.health.v1.Health/Check in protocol buffers: a request with the name of a service, a response with its status.
 * Unknown fields are skipped, as the format wants. Never throws on bytes from the network. Pure.
 */

export const SERVING_STATUSES = ['UNKNOWN', 'SERVING', 'NOT_SERVING', 'SERVICE_UNKNOWN'] as const;

const SERVICE_FIELD = (1 << 3) | 2;
const STATUS_FIELD = 1 << 3;
const WIRE_VARINT = 0;
const WIRE_64 = 1;
const WIRE_BYTES = 2;
const WIRE_32 = 5;
/** Ten groups of seven bits hold 64. */
const MAX_VARINT_BYTES = 10;

export function encodeRequest(service: string): Buffer {
  if (service === '') return Buffer.alloc(0);
  const name = Buffer.from(service);
  return Buffer.concat([Buffer.from([SERVICE_FIELD, ...varint(name.length)]), name]);
}

function varint(value: number): number[] {
  return value < 0x80 ? [value] : [(value & 0x7f) | 0x80, ...varint(value >>> 7)];
}

/** The status; a field that is not there is 0. Null: broken. */
export function decodeResponse(bytes: Uint8Array): string | null {
  let status = 0;
  for (let at = 0; at < bytes.length; ) {
    const tag = readVarint(bytes, at);
    if (tag === null || tag.value >>> 3 === 0) return null;
    const isStatus = tag.value === STATUS_FIELD;
    const value = isStatus ? readVarint(bytes, tag.end) : null;
    if (value !== null) status = value.value;
    const end = isStatus ? (value?.end ?? null) : skip(bytes, tag.end, tag.value & 7);
    if (end === null || end > bytes.length) return null;
    at = end;
  }
  return SERVING_STATUSES[status] ?? `status ${status}`;
}

/** Values above 32 bits lose what is above: no status and no length is as large. */
function readVarint(bytes: Uint8Array, start: number): { value: number; end: number } | null {
  let value = 0;
  for (let i = 0; i < MAX_VARINT_BYTES; i++) {
    const byte = bytes[start + i];
    if (byte === undefined) return null;
    if (i < 5) value = (value | ((byte & 0x7f) << (7 * i))) >>> 0;
    if (byte < 0x80) return { value, end: start + i + 1 };
  }
  return null;
}

/** Where the field ends that starts here; null: broken. */
function skip(bytes: Uint8Array, at: number, wire: number): number | null {
  switch (wire) {
    case WIRE_VARINT:
      return readVarint(bytes, at)?.end ?? null;
    case WIRE_64:
      return at + 8;
    case WIRE_32:
      return at + 4;
    case WIRE_BYTES: {
      const length = readVarint(bytes, at);
      return length === null ? null : length.end + length.value;
    }
    default:
      return null;
  }
}
