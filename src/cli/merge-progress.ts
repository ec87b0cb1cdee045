import { SingleBar } from 'cli-progress';
import type { StreamProgress } from '../merge/stream/stream.js';
import { formatBytes, formatSeconds } from '../report/format.js';
import { barLength } from './byte-progress.js';
import type { Output } from './output.js';

/** How far a merge has come, on stderr; nothing in its first two seconds. */
export interface MergeProgress {
  update(progress: StreamProgress): void;
  /** Removes the line; safe to call again. */
  stop(): void;
}

const SILENT_MS = 2000;
/** Without a terminal, a line every so often. */
const LINE_EVERY_MS = 10_000;

export function createMergeProgress(output: Output): MergeProgress {
  if (output.quiet) return { update: () => undefined, stop: () => undefined };
  const begin = performance.now();
  let lastLine = begin + SILENT_MS - LINE_EVERY_MS;
  let bar: SingleBar | undefined;
  const text = ({
    ranking,
    tensorsDone,
    tensors,
    bytesDone,
    bytes,
    bytesRead,
    bytesWritten,
  }: StreamProgress): string => {
    const seconds = (performance.now() - begin) / 1000;
    const left = bytesDone === 0 ? undefined : (seconds * (bytes - bytesDone)) / bytesDone;
    const rate = formatBytes((bytesRead + bytesWritten) / seconds);
    const stage = ranking ? 'ranking the changes of whole models' : `${tensorsDone} of ${tensors} tensors`;
    return `${stage}, ${rate}/s, ${formatSeconds(left)} left`;
  };
  return {
    update(progress) {
      const now = performance.now();
      if (now - begin < SILENT_MS) return;
      if (output.stderr.isTTY === true) {
        if (bar === undefined) {
          bar = new SingleBar({
            stream: output.stderr,
            format: 'merging [{bar}] {text}',
            barsize: barLength(output.stderr),
            clearOnComplete: true,
            hideCursor: true,
          });
          bar.start(Math.max(1, progress.bytes), progress.bytesDone, { text: text(progress) });
        } else bar.update(progress.bytesDone, { text: text(progress) });
      } else if (now - lastLine >= LINE_EVERY_MS) {
        lastLine = now;
        output.note(`merging: ${text(progress)}`);
      }
    },
    stop() {
      bar?.stop();
      bar = undefined;
    },
  };
}
