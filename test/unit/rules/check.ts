/**
 * The import rules of the project as a pure function: files in, violations out. What is allowed stands in house.ts.
 */
import path from 'node:path';
import { CONTRACTS, FEATURES, FLOORS, PURE_GROUND } from './house.js';
import type { Import, SourceFile } from './source-file.js';

/** By path relative to src, e.g. `vrrp/machine.ts`. */
export type Project = ReadonlyMap<string, SourceFile>;

export const folderOf = (file: string): string => file.split('/')[0] ?? '';

const isRelative = (specifier: string): boolean => specifier.startsWith('.');

/** The file an import leads to, relative to src; null for packages and for what lies outside of src. */
export function resolveImport(from: string, specifier: string): string | null {
  if (!isRelative(specifier)) return null;
  const target = path.posix.join(path.posix.dirname(from), specifier.replace(/\.js$/, '.ts'));
  return target.startsWith('..') ? null : target;
}

export function violations(project: Project, shells: ReadonlySet<string>): string[] {
  const isPure = (file: string): boolean => FEATURES.includes(folderOf(file)) && !shells.has(file);
  const found: string[] = [];
  for (const [file, source] of project) {
    const say = (line: number, what: string): void => void found.push(`src/${file}:${line}: ${what}`);
    for (const imported of source.imports) {
      const target = resolveImport(file, imported.specifier);
      const isContract = imported.isTypeOnly && CONTRACTS.has(target ?? '');
      const complaint = target && !isContract ? floorComplaint(file, target) : null;
      if (complaint) say(imported.line, complaint);
      const feature = target ? featureComplaint(file, target, imported, isPure) : null;
      if (feature) say(imported.line, feature);
      const impurity = isPure(file) ? pureComplaint(target, imported, isPure) : null;
      if (impurity) say(imported.line, impurity);
    }
    if (folderOf(file) !== 'system') {
      for (const use of source.ambient) say(use.line, `${use.what} is for src/system only: time and chance come in as arguments`);
    }
  }
  return found;
}

function floorComplaint(file: string, target: string): string | null {
  const [from, to] = [folderOf(file), folderOf(target)];
  const [fromFloor, toFloor] = [FLOORS.get(from), FLOORS.get(to)];
  if (fromFloor === undefined) return `folder ${from} stands on no floor`;
  if (toFloor === undefined) return `folder ${to} stands on no floor`;
  return from === to || toFloor < fromFloor ? null : `${from} may not import ${to}: arrows go down only`;
}

function featureComplaint(file: string, target: string, imported: Import, isPure: (file: string) => boolean): string | null {
  const [from, to] = [folderOf(file), folderOf(target)];
  if (from === to || !FEATURES.includes(from) || !FEATURES.includes(to)) return null;
  return imported.isTypeOnly || isPure(target) ? null : `${from} may not import the shell ${target}: shells meet in control and bin`;
}

function pureComplaint(target: string | null, imported: Import, isPure: (file: string) => boolean): string | null {
  if (imported.isTypeOnly) return null;
  if (target === null)
    return `a pure module may not import ${imported.specifier} (or enter the file as a shell in test/unit/rules/house.ts)`;
  return isPure(target) || isPureGround(target, imported.values) ? null : `a pure module may not import ${target}, which is not pure`;
}

function isPureGround(target: string, values: readonly string[]): boolean {
  const allowed = PURE_GROUND.get(target);
  return allowed === 'anything' || (allowed !== undefined && values.length > 0 && values.every((value) => allowed.includes(value)));
}

/** Files entered as pure ground or as contracts that are not what they are entered as. */
export function falseEntries(project: Project): string[] {
  const grounded = [...PURE_GROUND].filter(([, allowed]) => allowed === 'anything').map(([file]) => file);
  const impure = grounded.filter((file) => {
    const source = project.get(file);
    const imports = source?.imports.filter((imported) => !imported.isTypeOnly) ?? [];
    return (
      !source || source.ambient.length > 0 || imports.some((imported) => !grounded.includes(resolveImport(file, imported.specifier) ?? ''))
    );
  });
  return [...impure, ...[...CONTRACTS].filter((file) => !project.get(file)?.hasOnlyTypes)];
}

/** Shells that could be pure, and entries that no longer exist: the list must stay as short as it can be. */
export function needlessShells(project: Project, shells: ReadonlySet<string>): string[] {
  return [...shells].filter((file) => {
    const source = project.get(file);
    const without = new Set([...shells].filter((shell) => shell !== file));
    return !source || !violations(new Map([[file, source]]), without).some((text) => text.includes('a pure module'));
  });
}

/** Circles of value imports, each as the list of its files. */
export function cycles(project: Project): string[][] {
  const found: string[][] = [];
  const finished = new Set<string>();
  const walk = (file: string, trail: string[]): void => {
    const start = trail.indexOf(file);
    if (start >= 0) found.push([...trail.slice(start), file]);
    if (start >= 0 || finished.has(file)) return;
    for (const imported of project.get(file)?.imports ?? []) {
      const target = imported.isTypeOnly ? null : resolveImport(file, imported.specifier);
      if (target) walk(target, [...trail, file]);
    }
    finished.add(file);
  };
  for (const file of project.keys()) walk(file, []);
  return found;
}
