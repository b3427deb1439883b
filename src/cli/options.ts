/**
 * Options that several commands share, with one wording.
 */
import { InvalidArgumentError, Option } from 'commander';
import { DEFAULT_STATE_DIR } from './admin-client.js';

export const stateDirOption = (): Option =>
  new Option('--state-dir <dir>', 'state directory of the node').default(DEFAULT_STATE_DIR).env('TANDEM_STATE_DIR');

export const jsonOption = (): Option => new Option('--json', 'print JSON');

export const routerOption = (): Option =>
  new Option('--router <name>', 'only this virtual router, with the sync group it is in (default: all that this node holds)');

export const groupOption = (): Option => new Option('--group <name>', 'only this sync group').conflicts('router');

export function positiveInteger(text: string): number {
  const value = Number(text);
  if (!Number.isSafeInteger(value) || value < 1) throw new InvalidArgumentError('expected a whole number from 1.');
  return value;
}

const MAX_SECONDS = 3600;
const MS_PER_SECOND = 1000;

/** Milliseconds of what was given in seconds. */
export function seconds(text: string): number {
  const value = Number(text);
  if (text.trim() === '' || !Number.isFinite(value) || value < 0 || value > MAX_SECONDS)
    throw new InvalidArgumentError(`expected seconds from 0 to ${MAX_SECONDS}.`);
  return value * MS_PER_SECOND;
}
