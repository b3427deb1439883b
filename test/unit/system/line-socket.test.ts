import { existsSync, mkdtempSync, statSync, writeFileSync } from 'node:fs';
import { connect } from 'node:net';
import { tmpdir } from 'node:os';
import path from 'node:path';
import t from 'tap';
import { connectLines, type LineConnection, type LineServer, listenLines } from '../../../src/system/line-socket.js';

const socketPath = (): string => path.join(mkdtempSync(path.join(tmpdir(), 'tandem-line-')), 'test.sock');

interface Listening {
  server: LineServer;
  messages: unknown[];
  connections: LineConnection[];
  closed(): Promise<void>;
}

function listen(file: string, onMessage: (message: unknown, connection: LineConnection) => void = () => undefined): Promise<Listening> {
  return new Promise((resolve, reject) => {
    const messages: unknown[] = [];
    const connections: LineConnection[] = [];
    let onClosed = (): void => undefined;
    const closed = new Promise<void>((done) => {
      onClosed = done;
    });
    const server = listenLines(file, {
      onConnect: (connection) => connections.push(connection),
      onMessage: (connection, message) => {
        messages.push(message);
        onMessage(message, connection);
      },
      onClose: () => onClosed(),
      onError: reject,
      onListening: () => resolve({ server, messages, connections, closed: () => closed }),
    });
  });
}

t.test('values travel both ways, also those sent before the connection stands', async (t) => {
  const file = socketPath();
  const { server, messages } = await listen(file, (message, connection) => connection.send({ echo: message }));
  const answers: unknown[] = [];
  await new Promise<void>((resolve) => {
    const client = connectLines(file, {
      onConnect: () => undefined,
      onMessage(message) {
        answers.push(message);
        if (answers.length === 2) client.close();
      },
      onClose: resolve,
    });
    client.send({ text: 'a\nb', n: 1 });
    client.send([2]);
  });
  t.same(messages, [{ text: 'a\nb', n: 1 }, [2]]);
  t.same(answers, [{ echo: { text: 'a\nb', n: 1 } }, { echo: [2] }]);
  t.equal(statSync(file).mode & 0o777, 0o600);
  server.close();
});

t.test('nobody there: onClose without onConnect', async (t) => {
  let hasConnected = false;
  await new Promise<void>((resolve) => {
    connectLines(socketPath(), { onConnect: () => (hasConnected = true), onMessage: () => undefined, onClose: resolve });
  });
  t.notOk(hasConnected);
});

t.test('a file left by a dead predecessor is replaced', async (t) => {
  const file = socketPath();
  writeFileSync(file, '');
  const { server } = await listen(file);
  t.ok(existsSync(file));
  server.close();
});

t.test('bytes that are no JSON, or no end of a line, close the connection', async (t) => {
  for (const bytes of ['not json\n', '{'.repeat((1 << 20) + 10)]) {
    const file = socketPath();
    const { server, messages, closed } = await listen(file);
    const socket = connect(file);
    socket.on('error', () => socket.destroy());
    socket.write(bytes);
    await closed();
    t.same(messages, []);
    server.close();
  }
});
