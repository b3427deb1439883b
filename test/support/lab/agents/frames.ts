/**
 * Sends Ethernet frames exactly as it is told, wrong ones too. Needs the addon. Argument: interface.
 */
import { loadNative } from '../../../../src/l4/native.js';
import type { FramesApi } from '../workload-api.js';
import { serveCalls } from './agent-host.js';

const [netInterface = 'eth0'] = process.argv.slice(2);
const ETHERTYPE_SEND_ONLY = 0;

const socket = loadNative().openFrames(netInterface, ETHERTYPE_SEND_ONLY);

const api: FramesApi = {
  hello: () => null,
  send: ({ frames }) => {
    for (const frame of frames) socket.send(Buffer.from(frame, 'hex'));
    return null;
  },
};
serveCalls(api);
