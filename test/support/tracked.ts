/**
 * One tracked thing as the configuration would make it from a few keys.
 */
import { resolveTrack, type TrackConfig, type TrackDocument } from '../../src/config/track-schema.js';

const nothing: Omit<TrackDocument, 'kind'> = {
  name: null,
  weight: null,
  rise: 1,
  fall: null,
  interval: null,
  timeout: null,
  process: null,
  pidFile: null,
  file: null,
  content: null,
  command: null,
  to: null,
  address: null,
  pool: null,
  minPercent: null,
  interface: null,
};

export const tracked = (change: Partial<TrackDocument> & Pick<TrackDocument, 'kind'>): TrackConfig =>
  resolveTrack({ ...nothing, ...change });
