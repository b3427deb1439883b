/**
 * Limits of a configuration, each with its unit and its reason. Those that the data plane also knows must equal the constants of
 * native/include/tandem_abi.h; test/unit/config/limits.test.ts compares them.
 */

/** TANDEM_MAX_VIRTUAL_ROUTERS. */
export const MAX_VIRTUAL_ROUTERS = 64;
/** TANDEM_MAX_SERVICES. */
export const MAX_SERVICES = 4096;
/** TANDEM_MAX_SERVER_SLOTS: one per (service, server), and slot 0 is never used. */
export const MAX_SERVER_SLOTS = 16384;
/** TANDEM_MAX_ADDRESSES: every VIP and every address that moves along. */
export const MAX_ADDRESSES = 4096;
/** TANDEM_MAX_ENDPOINT_SLOTS: services that may share one server address and port. */
export const MAX_SERVICES_PER_ENDPOINT = 8;
/** TANDEM_DEFAULT_MAX_FLOWS. */
export const DEFAULT_MAX_FLOWS = 1048576;

/** A node id is one byte of every record's generation, and 0 means nobody. */
export const MAX_NODES = 255;
/** Paths of the beat channel (native/l4/addon): interfaces to the same peers, not peers. */
export const MAX_HEARTBEAT_PATHS = 4;
/** Nodes that exchange beats with each other: what the thread of the addon keeps track of, and the node itself. */
export const MAX_BEAT_NODES = 16;
/** Each is asked forty times a second for a moment. */
export const MAX_REFERENCES = 4;
/** Elections that beats can speak of (vrrp/beat-codec.ts). */
export const MAX_BEAT_GROUPS = 51;
/** A lease of fast liveness outlives so many beats at least: fewer and one lost datagram moves the addresses. */
export const MIN_FAST_BEATS = 3;
/** Fewer records than this are a mistake of units. */
export const MIN_MAX_FLOWS = 1024;
/** 64 Mi records are 8 GiB of kernel memory; more is a mistake of units. */
export const MAX_MAX_FLOWS = 67108864;
/** One program instance each; more is a mistake. */
export const MAX_INTERFACES = 64;
/** The count of addresses is one byte of a VRRP advertisement (RFC 9568, section 5.2.5). */
export const MAX_ADDRESSES_PER_ROUTER = 255;
/** IFNAMSIZ is 16 with the terminating zero. */
export const MAX_INTERFACE_NAME = 15;

/** Max Advertise Interval is 12 bits of centiseconds (RFC 9568, section 5.2.7). */
export const ADVERT_INTERVAL_STEP_MS = 10;
export const MIN_ADVERT_INTERVAL_MS = 10;
export const MAX_ADVERT_INTERVAL_MS = 40950;
/** In version 2 it is 8 bits of seconds (RFC 3768, section 5.3.7). */
export const VERSION_2_INTERVAL_STEP_MS = 1000;
export const MAX_VERSION_2_INTERVAL_MS = 255000;

/** Priority 0 means "I stop" and 255 is the owner of the addresses (RFC 9568, section 5.2.4). */
export const MIN_PRIORITY = 1;
export const OWNER_PRIORITY = 255;

/**
 * Skew_Time is (256 - priority) * interval / 256, so two backups wake this far apart per step of priority and millisecond of interval.
 * In version 2 the interval in this formula is one second, whatever the interval of adverts is (RFC 3768, section 6.1).
 * They must differ by more than a timer is late on a busy machine, or both become active for a moment.
 */
export const SKEW_PER_STEP = 1 / 256;
export const MIN_SKEW_DISTANCE_MS = 1;

/** Each is looked at several times a second; more per virtual router is a mistake. */
export const MAX_TRACKED = 32;
/** A weight beyond the range of priorities would mean the same as its ends. */
export const MAX_WEIGHT = 254;
/** Each has a queue and may run a process; more is a mistake. */
export const MAX_HOOKS = 16;

/** A slow start has ten steps, and each makes new tables: not oftener than ten times a second. */
export const MIN_SLOW_START_MS = 1000;
/** Caches that take longer than an hour to warm up are a mistake of units. */
export const MAX_SLOW_START_MS = 3_600_000;

/** Longest duration of any key: a week. Longer is a mistake of units. */
export const MAX_DURATION_MS = 7 * 24 * 3600 * 1000;
