/**
 * What the native addon throws for every expected failure. Misuse of its functions throws TypeError and RangeError instead.
 */

/** One line per code: who caused it, and whether trying again later can help. */
export const nativeErrorCodes = {
  NOT_BUILT: { source: 'internal', retryable: false },
  LIBRARY_MISSING: { source: 'kernel', retryable: false },
  NO_PRIVILEGE: { source: 'kernel', retryable: false },
  KERNEL_TOO_OLD: { source: 'kernel', retryable: false },
  BPFFS_NOT_MOUNTED: { source: 'kernel', retryable: false },
  /** The BPF object is missing or not ours. */
  OBJECT_INVALID: { source: 'internal', retryable: false },
  /** The kernel's verifier refused a program; `verifierLog` says why. */
  VERIFIER_REJECTED: { source: 'kernel', retryable: false },
  /** Pinned maps of another layout. */
  PINS_INCOMPATIBLE: { source: 'kernel', retryable: false },
  /** Nothing is pinned there, and creating it was not asked for. */
  NOT_LOADED: { source: 'kernel', retryable: true },
  /** Another process is loading the same directory, or another XDP program sits on the interface. */
  BUSY: { source: 'kernel', retryable: true },
  NO_INTERFACE: { source: 'config', retryable: true },
  ATTACH_FAILED: { source: 'kernel', retryable: false },
  NO_SUCH_MAP: { source: 'internal', retryable: false },
  /** A hash map has no room for another key. */
  MAP_FULL: { source: 'kernel', retryable: true },
  /** Used after close(). */
  CLOSED: { source: 'internal', retryable: false },
  /** Any other system call that failed; see `errno`. */
  SYSCALL: { source: 'kernel', retryable: true },
} as const;

export type NativeErrorCode = keyof typeof nativeErrorCodes;
export type NativeErrorSource = (typeof nativeErrorCodes)[NativeErrorCode]['source'];

export interface NativeErrorDetail {
  /** errno of the system call, 0 when there was none. */
  errno?: number;
  verifierLog?: string;
  /** The command or the setting that mends it. */
  hint?: string;
  cause?: unknown;
}

export class NativeError extends Error {
  readonly code: NativeErrorCode;
  readonly errno: number;
  readonly verifierLog: string;
  readonly hint: string;

  constructor(code: NativeErrorCode, message: string, detail: NativeErrorDetail = {}) {
    super(detail.hint ? `${message}; ${detail.hint}` : message, detail.cause === undefined ? undefined : { cause: detail.cause });
    this.name = 'NativeError';
    this.code = code;
    this.errno = detail.errno ?? 0;
    this.verifierLog = detail.verifierLog ?? '';
    this.hint = detail.hint ?? '';
  }

  get source(): NativeErrorSource {
    return nativeErrorCodes[this.code].source;
  }

  get retryable(): boolean {
    return nativeErrorCodes[this.code].retryable;
  }
}
