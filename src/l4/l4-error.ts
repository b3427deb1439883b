/**
 * What the L4 engine throws when a configuration cannot be carried by the data plane. Everything else it meets is either a bug or a
 * NativeError of the addon.
 */
export const l4ErrorCodes = {
  /** More virtual routers, services, servers or addresses than a map has room for. */
  LIMIT_EXCEEDED: { source: 'config', retryable: false },
  /** More services share one server address and port than an endpoint can name. */
  ENDPOINT_SHARED_TOO_OFTEN: { source: 'config', retryable: false },
} as const;

export type L4ErrorCode = keyof typeof l4ErrorCodes;

export class L4Error extends Error {
  readonly code: L4ErrorCode;

  constructor(code: L4ErrorCode, message: string) {
    super(message);
    this.name = 'L4Error';
    this.code = code;
  }

  get source(): 'config' {
    return l4ErrorCodes[this.code].source;
  }

  get retryable(): boolean {
    return l4ErrorCodes[this.code].retryable;
  }
}
