/**
 * How a key of the schema is written: its shape, what it does, and the reason of its default. The parts of the schema share it.
 */
import { z } from 'zod';

interface KeyText {
  text: string;
  why?: string;
  example?: unknown;
}

/** Extra keywords of the generated JSON Schema, for the reference; json-schema.ts turns them into plain ones for editors. */
export const WHY_KEYWORD = 'x-why';
/** As `examples`, which zod leaves out where a value is transformed. */
export const EXAMPLE_KEYWORD = 'x-example';

export function key<S extends z.ZodType>(schema: S, { text, why, example }: KeyText): S {
  return schema.meta({
    description: text,
    ...(why === undefined ? {} : { [WHY_KEYWORD]: why }),
    ...(example === undefined ? {} : { [EXAMPLE_KEYWORD]: example }),
  });
}

export const flag = () => z.boolean({ error: 'expected true or false' });
export const text = (what: string) => {
  const error = `expected ${what}`;
  return z.string({ error }).min(1, { error });
};
export const choice = <const T extends readonly [string, ...string[]]>(values: T) => z.enum(values);

export const list = <S extends z.ZodType>(item: S, what: string, max: number) =>
  z.array(item, { error: `expected a list of ${what}` }).max(max, { error: `at most ${max} ${what}` });
