/**
 * Binds tests to the rows of requirements.ts. A side of a requirement without one assertion fails. What calls these, and with which ids, is
 * read from the source to make docs/conformance.md: ids are therefore written out, never computed.
 */
import t, { type Test } from 'tap';
import { REQUIREMENTS, type RequirementId, type RequirementRow } from './requirements.js';

type Body = (t: Test) => unknown;

export interface Sides {
  /** It is kept. */
  positive: Body;
  /** The opposite case is told apart. */
  negative: Body;
}

/** Both sides of one requirement. */
export function requirement(id: RequirementId, sides: Sides): void {
  const row: RequirementRow = REQUIREMENTS[id];
  t.test(`${id} (${row.section}) ${row.text}`, async (t) => {
    for (const side of await unproved(t, sides)) t.fail(`${id}: its ${side} test asserts nothing`);
  });
}

/** Runs both; names those in which no assertion ran. */
export async function unproved(t: Test, sides: Sides): Promise<string[]> {
  const empty: string[] = [];
  for (const side of ['positive', 'negative'] as const) {
    if ((await assertions(t, side, sides[side])) === 0) empty.push(side);
  }
  return empty;
}

async function assertions(t: Test, name: string, body: Body): Promise<number> {
  const results = await t.test(name, async (t) => void (await body(t)));
  return results?.count ?? 0;
}

export interface Proof {
  positive?: readonly RequirementId[];
  negative?: readonly RequirementId[];
}

/** A test elsewhere (packets through the data plane, nodes in namespaces) that is evidence of requirements. */
export const proves =
  (proof: Proof, body: Body): ((t: Test) => Promise<void>) =>
  async (t) => {
    const name = Object.entries(proof)
      .map(([side, ids]) => `${side} for ${ids.join(', ')}`)
      .join('; ');
    if ((await assertions(t, name, body)) === 0) t.fail(`${name}: asserts nothing`);
  };
