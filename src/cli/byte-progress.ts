import { formatBytes, formatPercent, formatSeconds } from '../report/format.js';
import type { Output } from './output.js';
import { createProgressBar } from './progress-bar.js';

/** How far a pass over files has come. */
export interface ByteProgress {
  add(bytes: number): void;
  /** Removes the line; safe to call again. */
  stop(): void;
}

/** @param what - what is done, as `reading`. */
export function createByteProgress(output: Output, what: string, total: number): ByteProgress {
  const { update, stop } = createProgressBar(output, what);
  let done = 0;
  return {
    add(bytes) {
      done += bytes;
      update(done, total, (seconds) => {
        const rate = done / seconds;
        const share = formatPercent(total > 0 ? done / total : 1, 0);
        const left = formatSeconds((total - done) / rate);
        return `${share}, ${formatBytes(done)} of ${formatBytes(total)}, ${formatBytes(rate)}/s, ${left} left`;
      });
    },
    stop,
  };
}
