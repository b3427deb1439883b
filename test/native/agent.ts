/**
 * A process of its own with a data plane, for tests that kill it or need it inside a network namespace. It calls what its parent asks
 * for over the IPC channel and answers with the result or the error.
 */
import { type BeatOptions, loadNative } from '../../src/l4/native.js';
import type { NativeError } from '../../src/l4/native-error.js';
import type { Answer, Request } from './agent-process.js';
import { ADDON_VARIABLE } from './fixture.js';

const native = loadNative(process.env[ADDON_VARIABLE]);
/** Functions do not travel over the channel: what they are called with is sent on as messages. */
const withCallbacks = {
  openFrames(interfaceName: string, etherType: number): object {
    const name = etherType === 3 ? 'all' : interfaceName;
    return native.openFrames(interfaceName, etherType, (frames) => process.send?.({ type: 'frames', name, frames }));
  },
  openBeats(options: BeatOptions): object {
    return native.openBeats(options, (events) => process.send?.({ type: 'beats', events }));
  },
  openLinkMonitor(): object {
    return native.openLinkMonitor((links) => process.send?.({ type: 'links', links }));
  },
  hopLimitFilter: () => native.openHopLimitFilter().fd,
};
const objects: Record<string, object> = { native, agent: withCallbacks };

function run(request: Request): unknown {
  const target = objects[request.target] as Record<string, (...values: unknown[]) => unknown>;
  const result = target[request.method]?.(...request.values);
  if (request.keepAs === undefined) return result;
  objects[request.keepAs] = result as object;
  return null;
}

process.on('message', (request: Request) => {
  let answer: Answer;
  try {
    answer = { id: request.id, result: run(request) };
  } catch (error) {
    const { code, message, hint } = error as NativeError;
    answer = { id: request.id, error: { code, message, hint } };
  }
  process.send?.(answer);
});
process.once('disconnect', () => process.exit());
