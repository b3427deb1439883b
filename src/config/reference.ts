/**
 * docs/configuration.md: one table per object of the configuration, generated from the schema, so that no key is without an entry.
 */
import { annotatedSchema, type JsonSchema } from './json-schema.js';
import { EXAMPLE_KEYWORD, WHY_KEYWORD } from './keys.js';
import { KIND_KEYWORD } from './scalars.js';

const HEAD = `# Configuration

<!-- Generated from src/config/schema.ts by scripts/generate. Do not edit. -->

One YAML file, the same on every node; \`tandem run --node NAME\` says which node a process is. \`tandem check FILE\` tests it. Nodes compare
a digest of the content: comments, formatting, the order of keys and the place of the file do not count.

- **Durations** carry their unit: \`100ms\`, \`5s\`, \`15m\`, \`2h\`, \`7d\`.
- **Unknown keys** are errors; the message names the nearest valid one.
- **Editors** complete and check the file with \`config/tandem.schema.json\`: start the file with
  \`# yaml-language-server: $schema=path/to/tandem.schema.json\`.
- Complete examples are in \`config/\`; each of them is a test.

`;

const TAIL = `## What is checked between keys

Errors: an unknown pool or node; a \`listen\` address that no virtual router has; two services on one address, port and protocol; a VRID used
twice on one interface and in one address family; addresses of two families in one virtual router; an IPv6 virtual router whose first
address is not link-local; what version 2 cannot say (IPv6, parts of a second), and what version 3 cannot (more than 40.95s); a node without priority, equal priorities, or priorities so near that two backups would wake within a millisecond of
each other; an interface that is not in \`dataPlane.interfaces\`; an address with two owners; a server at a virtual address; a \`dsr\` server
on another port than its service; a key of \`track\` that its kind does not know, or one it needs and has not, and likewise of \`healthCheck\` and
its type; a program that is no absolute path; a check whose timeout exceeds its interval; a check over TCP of a UDP service without \`port\`; more than
eight services on one server address and port.

Warnings: a \`nat\` service whose servers seem to share the network of the VIP (their replies would bypass the node), or whose virtual router
moves no gateway along; a pool that nothing uses; a pool whose servers all have weight 0; weights of \`track\` that could
never move the addresses; TLS files that are not there.

On the machine itself, at start and with \`tandem check --node NAME\`: interfaces exist, every address lies in a network of its interface
and is not configured there (unless the node has priority 255, then it must be), an interface of IPv6 addresses has a link-local one, the
node's own address is there.
`;

interface Section {
  path: string;
  schema: JsonSchema;
}

export function referenceText(): string {
  const root = annotatedSchema();
  const sections = collect('', root);
  return `${HEAD}${sections.map(sectionText).join('\n')}\n${TAIL}`;
}

function collect(path: string, schema: JsonSchema): Section[] {
  const object = objectIn(path, schema);
  if (object === null) return [];
  const inner = Object.entries(object.schema.properties ?? {}).flatMap(([key, each]) =>
    collect(object.path === '' ? key : `${object.path}.${key}`, each),
  );
  return [
    { ...object, schema: { ...object.schema, ...(schema.description === undefined ? {} : { description: schema.description }) } },
    ...inner,
  ];
}

/** The object behind a list or a map, with the path by which people call it. */
function objectIn(path: string, schema: JsonSchema): Section | null {
  if (schema.properties) return { path, schema };
  if (schema.items?.properties) return { path: `${path}[]`, schema: schema.items };
  const values = schema.additionalProperties;
  if (typeof values === 'object' && values.properties) return { path: `${path}.NAME`, schema: values };
  return null;
}

function sectionText({ path, schema }: Section): string {
  const rows = Object.entries(schema.properties ?? {}).map(([key, each]) => row(path, key, each, schema.required?.includes(key) ?? false));
  const title = path === '' ? '## The file' : `## \`${path}\``;
  const intro = path === '' || schema.description === undefined ? '' : `${schema.description}\n\n`;
  return `${title}\n\n${intro}| key | type | default | meaning | example |\n| --- | --- | --- | --- | --- |\n${rows.join('\n')}\n`;
}

function row(path: string, key: string, schema: JsonSchema, isRequired: boolean): string {
  const target = objectIn(path === '' ? key : `${path}.${key}`, schema);
  const name = target === null ? `\`${key}\`` : `[\`${key}\`](#${anchor(target.path)})`;
  const why = schema[WHY_KEYWORD];
  const meaning = `${schema.description ?? ''}${why === undefined ? '' : ` *Why: ${why}.*`}`;
  const example = schema[EXAMPLE_KEYWORD];
  const cells = [name, typeText(schema), defaultText(schema, isRequired), meaning, example === undefined ? '' : `\`${flow(example)}\``];
  return `| ${cells.map((cell) => cell.replaceAll('|', '\\|')).join(' | ')} |`;
}

/** As GitHub makes it from the heading. */
const anchor = (path: string): string => path.toLowerCase().replace(/[^a-z0-9]/g, '');

function typeText(schema: JsonSchema): string {
  if (schema[KIND_KEYWORD] !== undefined) return schema[KIND_KEYWORD];
  if (schema.enum) return schema.enum.map((value) => `\`${String(value)}\``).join(' or ');
  if (schema.anyOf) return schema.anyOf.map(typeText).join(' or ');
  if (schema.type === 'array') return `list of ${schema.items === undefined ? 'values' : typeText(schema.items)}`;
  if (schema.type === 'integer') return `${schema.minimum} to ${schema.maximum}`;
  if (schema.type === 'object' && typeof schema.additionalProperties === 'object')
    return `map of name to ${typeText(schema.additionalProperties)}`;
  if (schema.type === 'boolean') return '`true` or `false`';
  return schema.type === 'string' ? 'text' : 'object';
}

function defaultText(schema: JsonSchema, isRequired: boolean): string {
  if (isRequired) return '**required**';
  if (schema.default === undefined) return 'none';
  if (schema.properties) return 'see there';
  return Array.isArray(schema.default) || typeof schema.default === 'object'
    ? `\`${flow(schema.default)}\``
    : `\`${String(schema.default)}\``;
}

/** YAML flow style, as the examples write it. */
function flow(value: unknown): string {
  if (Array.isArray(value)) return `[${value.map(flow).join(', ')}]`;
  if (typeof value !== 'object' || value === null) return String(value);
  const entries = Object.entries(value).map(([key, each]) => `${key}: ${flow(each)}`);
  return entries.length === 0 ? '{}' : `{ ${entries.join(', ')} }`;
}
