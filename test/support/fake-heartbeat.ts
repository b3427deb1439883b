/**
 * Stands in for the heartbeat process where only its life matters: answers on the socket given as argument, waits as a spare, replaces
 * another, dies at once when told to by `--crash`, and when it should replace by `--unfit`; `--deaf` waits for ever instead.
 */
import { appendFileSync } from 'node:fs';
import { connectLines, listenLines } from '../../src/system/line-socket.js';

const [socketPath = '', journal = '', ...rest] = process.argv.slice(2);
const isSpare = rest.includes('--spare');
const isReplacement = rest.includes('--replace');
appendFileSync(journal, `${isSpare ? 'spare' : isReplacement ? 'replacement' : 'start'} ${process.pid}\n`);

function serve(): void {
  if (rest.includes('--crash')) process.exit(1);
  const server = listenLines(socketPath, {
    onConnect: (connection) => connection.send({ type: 'status', pid: process.pid, realtime: false, routers: [] }),
    onMessage: (_connection, message) => (message as { type: string }).type === 'replace' && server.close(),
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
} else if (isReplacement && rest.includes('--unfit')) {
  process.stderr.write('another layout\n');
  process.exit(1);
} else if (isReplacement && rest.includes('--deaf')) setInterval(() => undefined, 1000);
else if (isReplacement) {
  connectLines(socketPath, { onConnect: (connection) => connection.send({ type: 'replace' }), onMessage: () => undefined, onClose: serve });
} else serve();
