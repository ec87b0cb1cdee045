import type { StreamProgress } from '../merge/stream/stream.js';
import { formatBytes, formatSeconds } from '../report/format.js';
import type { Output } from './output.js';
import { createProgressBar } from './progress-bar.js';

/** How far a merge has come. */
export interface MergeProgress {
  update(progress: StreamProgress): void;
  /** Removes the line; safe to call again. */
  stop(): void;
}

export function createMergeProgress(output: Output): MergeProgress {
  const { update, stop } = createProgressBar(output, 'merging');
  return {
    update({ ranking, tensorsDone, tensors, bytesDone, bytes, bytesRead, bytesWritten }) {
      update(bytesDone, bytes, (seconds) => {
        const left = bytesDone === 0 ? undefined : (seconds * (bytes - bytesDone)) / bytesDone;
        const rate = formatBytes((bytesRead + bytesWritten) / seconds);
        const stage = ranking
          ? 'ranking the changes of whole models'
          : `${tensorsDone} of ${tensors} tensors`;
        return `${stage}, ${rate}/s, ${formatSeconds(left)} left`;
      });
    },
    stop,
  };
}
