/**
 * Stands in for the heartbeat process where only its life matters: answers on the socket given as argument, waits as a spare, dies at once
 * when told to by `--crash`.
 */
import { appendFileSync } from 'node:fs';
import { listenLines } from '../../src/system/line-socket.js';

const [socketPath = '', journal = '', ...rest] = process.argv.slice(2);
const isSpare = rest.includes('--spare');
appendFileSync(journal, `${isSpare ? 'spare' : 'start'} ${process.pid}\n`);

function serve(): void {
  if (rest.includes('--crash')) process.exit(1);
  listenLines(socketPath, {
    onConnect: (connection) => connection.send({ type: 'status', pid: process.pid, realtime: false, routers: [] }),
    onMessage: () => undefined,
    onClose: () => undefined,
    onError: (error) => {
      throw error;
    },
  });
}

if (isSpare) {
  process.stdin.once('data', () => {
    process.stdin.destroy();
    appendFileSync(journal, `called ${process.pid}\n`);
    serve();
  });
  process.stdin.once('end', () => process.exit(0));
} else serve();
