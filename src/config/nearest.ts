/**
 * The nearest of some known words to one that is not among them: what a person most likely meant. Pure.
 */

/** A third of the letters may be wrong; beyond that a suggestion is a guess. */
const TOLERATED_SHARE = 3;

/** Edits (insert, delete, replace, swap of neighbours) between two words. */
export function editDistance(a: string, b: string): number {
  let beforeLast: number[] = [];
  let last = Array.from({ length: b.length + 1 }, (_, i) => i);
  for (let i = 1; i <= a.length; i++) {
    const row = [i];
    for (let j = 1; j <= b.length; j++) {
      const same = a[i - 1] === b[j - 1];
      let cost = Math.min((row[j - 1] ?? 0) + 1, (last[j] ?? 0) + 1, (last[j - 1] ?? 0) + (same ? 0 : 1));
      const swapped = i > 1 && j > 1 && a[i - 1] === b[j - 2] && a[i - 2] === b[j - 1];
      if (swapped) cost = Math.min(cost, (beforeLast[j - 2] ?? 0) + 1);
      row.push(cost);
    }
    beforeLast = last;
    last = row;
  }
  return last[b.length] ?? 0;
}

/** The nearest word, or null when none is near. Case and separators count less than letters. */
export function nearest(word: string, known: readonly string[]): string | null {
  const plain = (text: string): string => text.toLowerCase().replace(/[-_. ]/g, '');
  let best: { distance: number; word: string } | null = null;
  for (const candidate of known) {
    const [a, b] = [plain(word), plain(candidate)];
    const contained = Math.min(a.length, b.length) >= 4 && (a.includes(b) || b.includes(a));
    const distance = contained ? 1 : editDistance(a, b);
    if (distance > Math.max(1, Math.floor(Math.max(a.length, b.length) / TOLERATED_SHARE))) continue;
    if (best === null || distance < best.distance) best = { distance, word: candidate };
  }
  return best?.word ?? null;
}

/** `did you mean "x"?`, or the list to choose from, or nothing when there is nothing to choose. */
export function suggestion(word: string, known: readonly string[], what: string): string {
  const near = nearest(word, known);
  if (near !== null) return `did you mean "${near}"?`;
  return known.length === 0 ? `there are no ${what}` : `${what}: ${known.join(', ')}`;
}
