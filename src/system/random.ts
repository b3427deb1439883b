/** The only source of chance, for jitter and identities of one process; never for secrets. */
export const random = (): number => Math.random();
