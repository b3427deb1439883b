/** FNV-1a, 32 bits, of a name: short for datagrams, where the names are few and known to all nodes. Pure. */
export function nameHash(name: string): number {
  let hash = 0x811c9dc5;
  for (let index = 0; index < name.length; index++) hash = Math.imul(hash ^ name.charCodeAt(index), 0x01000193) >>> 0;
  return hash;
}
