/** Relations between the limits that the protocol relies on. */
import t from 'tap';
import * as limits from '../../../src/replication/limits.js';

t.test('limits fit together', async (t) => {
  const {
    RECORD_BYTES,
    DRAIN_RECORDS,
    CHUNK_RECORDS,
    MAX_FRAME_BYTES,
    MAX_JSON_BYTES,
    WINDOW_BYTES,
    FRAME_HEADER_BYTES,
    CHUNK_HEADER_BYTES,
  } = limits;
  const overhead = FRAME_HEADER_BYTES + CHUNK_HEADER_BYTES;
  t.ok(
    2 * CHUNK_RECORDS * RECORD_BYTES + overhead <= MAX_FRAME_BYTES,
    'a chunk fits a frame, also when the table returns more than asked for',
  );
  t.ok(DRAIN_RECORDS * RECORD_BYTES + overhead <= MAX_FRAME_BYTES, 'a drained batch fits a frame');
  t.ok(MAX_JSON_BYTES + overhead <= MAX_FRAME_BYTES, 'a control message fits a frame');
  t.ok(WINDOW_BYTES >= 2 * Math.max(CHUNK_RECORDS, DRAIN_RECORDS) * RECORD_BYTES, 'the next batch is on its way while one is acknowledged');
  t.ok(limits.PING_MS * 3 < limits.SILENCE_MS, 'two pings may be late');
  t.ok(limits.PING_MS + limits.CONNECT_MS < 2 * limits.SILENCE_MS, 'a dial fails before a second peer would be given up');
  t.ok(limits.ACK_DELAY_MS < limits.PING_MS, 'acknowledgements keep a stream alive');
  t.ok(limits.RETRY_FIRST_MS < limits.RETRY_MAX_MS && limits.RETRY_MAX_MS < limits.RETRY_INCOMPATIBLE_MS, 'back-off grows');
  t.ok(limits.DIGEST_RESYNC_GAP_MS > limits.DIGEST_MISMATCHES * limits.DIGEST_MS, 'a resync is judged before the next one');
  t.ok(limits.EPOCH_COUNT < 2 ** 16, 'an epoch fits the record');
  t.ok(limits.PROTOCOL_MIN <= limits.PROTOCOL_MAX);
});
