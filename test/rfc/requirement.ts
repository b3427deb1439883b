/** One requirement of an RFC: a test that it is kept, and one that the opposite case is told apart. */
import t, { type Test } from 'tap';

export interface Requirement {
  id: string;
  section: string;
  text: string;
  positive(t: Test): void;
  negative(t: Test): void;
}

export function requirement({ id, section, text, positive, negative }: Requirement): void {
  t.test(`${id} (${section}) ${text}`, (t) => {
    positive(t);
    negative(t);
    t.end();
  });
}
