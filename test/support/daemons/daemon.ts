/**
 * A real daemon for one test: in the foreground, without rights, in a directory of its own, on a port of loopback. With the test it ends and
 * the directory goes, also when the test fails; then its last words are printed.
 */
import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { chownSync, closeSync, mkdtempSync, openSync, readdirSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import path from 'node:path';
import type { Test } from 'tap';
import { lastWords } from '../lab/fixture.js';
import { closedPort } from '../probe-bench.js';

/** Debian's nobody and nogroup. */
const NOBODY = 65_534;
const LOG = 'daemon.log';

const identity = process.getuid?.() === 0 ? { uid: NOBODY, gid: NOBODY } : {};

export class Daemon {
  readonly port: number;
  readonly directory: string;
  readonly #fatal: NodeJS.Signals;
  #child: ChildProcess | null = null;

  private constructor(port: number, directory: string, fatal: NodeJS.Signals) {
    this.port = port;
    this.directory = directory;
    this.#fatal = fatal;
  }

  /** Nothing runs yet. `fatal`: by which it ends at once, and leaves nothing behind. */
  static async create(t: Test, name: string, fatal: NodeJS.Signals = 'SIGKILL'): Promise<Daemon> {
    const daemon = new Daemon(await closedPort(), mkdtempSync(path.join(tmpdir(), `tandem-${name}-`)), fatal);
    t.teardown(async () => {
      await daemon.end();
      if (!t.passing()) t.comment(`${name}:\n${daemon.words()}`);
      rmSync(daemon.directory, { recursive: true });
    });
    return daemon;
  }

  write(file: string, text: string): void {
    writeFileSync(path.join(this.directory, file), text);
  }

  /** Something that has to be done before it can start, to its end. */
  async run(command: readonly string[], input = ''): Promise<void> {
    const child = this.#spawn(command);
    child.stdin?.end(input);
    const [status] = await once(child, 'exit');
    if (status !== 0) throw new Error(`${command[0]}: exit status ${status}`);
  }

  start(command: readonly string[]): this {
    this.#child = this.#spawn(command);
    return this;
  }

  signal(name: NodeJS.Signals): void {
    if (!this.#child?.kill(name)) throw new Error(`${this.directory}: nothing runs that could get ${name}`);
  }

  /** What it printed last. */
  words(): string {
    return lastWords(path.join(this.directory, LOG));
  }

  /** Stopped or not. */
  async end(): Promise<void> {
    const child = this.#child;
    this.#child = null;
    if (child === null || child.exitCode !== null || child.signalCode !== null) return;
    const ended = once(child, 'exit');
    child.kill(this.#fatal);
    child.kill('SIGCONT');
    await ended;
  }

  #spawn([program = '', ...words]: readonly string[]): ChildProcess {
    if (identity.uid !== undefined)
      for (const file of ['.', ...readdirSync(this.directory)]) chownSync(path.join(this.directory, file), identity.uid, identity.gid);
    const log = openSync(path.join(this.directory, LOG), 'a');
    try {
      // In the group of the test: whoever ends that ends this.
      return spawn(program, words, { ...identity, cwd: this.directory, stdio: ['pipe', log, log] });
    } finally {
      closeSync(log);
    }
  }
}
