/**
 * Every limit of the replication protocol, with its unit and its reason. Relations between them are asserted in
 * test/unit/replication/limits.test.ts.
 */
import { recordLayout } from '../l4/abi.gen.js';

/** Versions of the protocol that this build speaks. Raise `PROTOCOL_MAX` with a new frame, `PROTOCOL_MIN` when an old one goes. */
export const PROTOCOL_MIN = 1;
export const PROTOCOL_MAX = 1;

/** Optional abilities, offered in the hello; both sides use what both have. */
export const CAPABILITY_RESUME = 1;
export const CAPABILITY_DIGEST = 2;
/** Understands the control message `overrides`. */
export const CAPABILITY_OVERRIDES = 4;
export const CAPABILITIES = CAPABILITY_RESUME | CAPABILITY_DIGEST | CAPABILITY_OVERRIDES;

/** Bytes before the payload of each frame. */
export const FRAME_HEADER_BYTES = 16;
/** Before the records of a bulk chunk: bulk number and chunk index. */
export const CHUNK_HEADER_BYTES = 8;
/** Longest message accepted from a peer. */
export const MAX_FRAME_BYTES = 4 * 1024 * 1024;
/** Longest JSON payload accepted: far more than the largest pool list of a sensible cluster, far less than a memory attack needs. */
export const MAX_JSON_BYTES = 1024 * 1024;
/** Reasons are cut to this before they are sent, so that one that quotes another never grows beyond what a peer accepts. */
export const MAX_REASON = 200;
/** Size of one opaque record (struct tandem_record); peers with another size are incompatible. */
export const RECORD_BYTES = recordLayout.size;

/**
 * Records taken from the event ring in one go: 448 KiB. Measured: messages of 28 KiB cost twice the CPU per flow, ones of 900 KiB save
 * another tenth and hold the receiver's event loop for 10 ms.
 */
export const DRAIN_RECORDS = 8192;
/** Records of one bulk chunk; the event loop is held for about three milliseconds by reading one. */
export const CHUNK_RECORDS = 8192;
/** Records looked at in one step of a purge. */
export const PURGE_RECORDS = 8192;
/** Bytes sent to a peer and not yet acknowledged: bounds the memory of transport buffers, and how long a live record waits behind a bulk. */
export const WINDOW_BYTES = 4 * 1024 * 1024;

/** Least time between two drains under load: batches form, and waking for every single flow is avoided. */
export const DRAIN_GAP_MS = 1;
/** The ring is watched at least this often, also under load: whoever shares the watch must not starve. */
export const WATCH_GAP_MS = 20;
/** An acknowledgement waits at most this long for company. */
export const ACK_DELAY_MS = 1;
/** Keepalive when nothing else was sent. */
export const PING_MS = 250;
/** A peer that said nothing for this long is gone. */
export const SILENCE_MS = 1000;
/** A wake this much later than its deadline says that we slept, not the peer: it gets one more keepalive interval. */
export const LATE_WAKE_MS = 200;
/** From dialling to the answer to our hello. */
export const CONNECT_MS = 1000;
/** Back-off of reconnects: the first is fast because most breaks are short. */
export const RETRY_FIRST_MS = 50;
export const RETRY_MAX_MS = 2000;
/** A peer we cannot talk to (version, cluster, record layout) changes only with a restart. */
export const RETRY_INCOMPATIBLE_MS = 10_000;
/** Digests are compared this often while live. */
export const DIGEST_MS = 1000;
/** One mismatch can be a race with a hand-over; two in a row are a difference. */
export const DIGEST_MISMATCHES = 2;
/** Least time between two resyncs that a digest asked for: a cause that a resync cannot mend must not eat the machine. */
export const DIGEST_RESYNC_GAP_MS = 5000;
/** How long a purge waits for this node to hand its own flows over first; a peer that cannot be dialled ends the wait. */
export const HAND_OVER_MS = 3000;
/** How often a purge looks again whether our own table has been read out to that peer. */
export const PURGE_RETRY_MS = 10;

/** Epochs are 16 bits; 0 means "born here". */
export const EPOCH_COUNT = 65_535;
