/**
 * Asks the daemon of a node over its admin socket. Every failure becomes one sentence that says what to do.
 */
import { request } from 'node:http';
import { connect } from 'node:net';
import { join } from 'node:path';
import { CliError } from './context.js';

export const DEFAULT_STATE_DIR = '/var/lib/tandem';
const SOCKET_NAME = 'admin.sock';
const HEARTBEAT_SOCKET_NAME = 'heartbeat.sock';
/** A switchover that waits for nobody flushes, yields and counts stragglers: a few seconds at most. */
export const ANSWER_LIMIT_MS = 15_000;

export interface AdminClient {
  /** `limitMs`: how long an answer may take. */
  get<T>(path: string, limitMs?: number): Promise<T>;
  post<T>(path: string, body: unknown, limitMs?: number): Promise<T>;
  delete<T>(path: string): Promise<T>;
}

export function adminClient(stateDir: string): AdminClient {
  return {
    get: (path, limitMs) => ask(stateDir, 'GET', path, undefined, limitMs),
    post: (path, body, limitMs) => ask(stateDir, 'POST', path, body, limitMs),
    delete: (path) => ask(stateDir, 'DELETE', path, undefined),
  };
}

/** Which process of a node still listens in its state directory, if any. */
export async function runningProcess(stateDir: string): Promise<'daemon' | 'heartbeat' | null> {
  if (await isListening(join(stateDir, SOCKET_NAME))) return 'daemon';
  return (await isListening(join(stateDir, HEARTBEAT_SOCKET_NAME))) ? 'heartbeat' : null;
}

const isListening = (socketPath: string): Promise<boolean> =>
  new Promise((resolve) => {
    const socket = connect(socketPath, () => {
      socket.destroy();
      resolve(true);
    });
    socket.on('error', () => resolve(false));
  });

function ask<T>(stateDir: string, method: string, path: string, body: unknown, limitMs = ANSWER_LIMIT_MS): Promise<T> {
  const socketPath = join(stateDir, SOCKET_NAME);
  return new Promise((resolve, reject) => {
    const text = body === undefined ? '' : JSON.stringify(body);
    const headers = text === '' ? {} : { 'content-type': 'application/json', 'content-length': Buffer.byteLength(text) };
    const outgoing = request({ socketPath, method, path, headers, timeout: limitMs }, (response) => {
      const chunks: Buffer[] = [];
      response.on('data', (chunk: Buffer) => chunks.push(chunk));
      response.on('error', (error) => reject(unanswered(stateDir, error)));
      response.on('end', () => {
        try {
          resolve(read<T>(response.statusCode ?? 0, Buffer.concat(chunks).toString('utf8')));
        } catch (error) {
          reject(error);
        }
      });
    });
    outgoing.on('timeout', () => outgoing.destroy(new Error(`no answer for ${limitMs / 1000} s`)));
    outgoing.on('error', (error) => reject(unanswered(stateDir, error)));
    outgoing.end(text);
  });
}

function read<T>(status: number, text: string): T {
  let parsed: unknown;
  try {
    parsed = JSON.parse(text);
  } catch {
    throw new CliError(`the daemon answered with status ${status} and no JSON; is it another version?`);
  }
  if (status === 200) return parsed as T;
  const { message } = parsed as { message?: unknown };
  throw new CliError(typeof message === 'string' ? message : `the daemon answered with status ${status}`);
}

function unanswered(stateDir: string, error: Error): CliError {
  const socketPath = join(stateDir, SOCKET_NAME);
  switch ((error as NodeJS.ErrnoException).code) {
    case 'ENOENT':
    case 'ECONNREFUSED':
      return new CliError(
        `no daemon is running with the state directory ${stateDir}: start it with \`tandem run\`, or name another with --state-dir`,
      );
    case 'EACCES':
    case 'EPERM':
      return new CliError(`no permission to open ${socketPath}: run the command as the user of the daemon (root)`);
    default:
      return new CliError(`the daemon did not answer on ${socketPath}: ${error.message}`);
  }
}
