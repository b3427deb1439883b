/**
 * The JSON Schema of the configuration file, for editors: what a user writes, with descriptions and defaults. Generated from schema.ts.
 */
import { z } from 'zod';
import { EXAMPLE_KEYWORD, WHY_KEYWORD } from './keys.js';
import { KIND_KEYWORD } from './scalars.js';
import { configSchema } from './schema.js';

/** The part of JSON Schema that the generator produces. */
export interface JsonSchema {
  type?: string;
  description?: string;
  default?: unknown;
  enum?: unknown[];
  minimum?: number;
  maximum?: number;
  items?: JsonSchema;
  anyOf?: JsonSchema[];
  properties?: Record<string, JsonSchema>;
  required?: string[];
  additionalProperties?: JsonSchema | boolean;
  [KIND_KEYWORD]?: string;
  [WHY_KEYWORD]?: string;
  [EXAMPLE_KEYWORD]?: unknown;
}

/** With the extra keywords that only the reference understands. Draft 7: what editors speak. */
export function annotatedSchema(): JsonSchema {
  return z.toJSONSchema(configSchema, { io: 'input', target: 'draft-7' }) as JsonSchema;
}

export function editorSchema(): object {
  const { $schema, ...rest } = plain(annotatedSchema()) as Record<string, unknown>;
  return { $schema, title: 'Tandem configuration', ...rest };
}

/** Moves the reason of a default into the description and drops the extra keywords: strict validators refuse unknown ones. */
function plain(value: unknown): unknown {
  if (Array.isArray(value)) return value.map(plain);
  if (typeof value !== 'object' || value === null) return value;
  const { [KIND_KEYWORD]: _, [WHY_KEYWORD]: why, [EXAMPLE_KEYWORD]: example, ...rest } = value as Record<string, unknown>;
  const result = Object.fromEntries(Object.entries(rest).map(([key, each]) => [key, plain(each)]));
  if (typeof why === 'string') result.description = `${String(result.description)} Default: ${why}.`;
  if (example !== undefined) result.examples = [example];
  return result;
}
