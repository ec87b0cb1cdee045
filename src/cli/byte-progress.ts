import { SingleBar } from 'cli-progress';
import { formatBytes, formatPercent, formatSeconds } from '../report/format.js';
import type { TerminalStream } from '../report/terminal.js';
import type { Output } from './output.js';

/** How far a pass over files has come, on stderr; nothing in its first two seconds. */
export interface ByteProgress {
  add(bytes: number): void;
  /** Removes the line; safe to call again. */
  stop(): void;
}

const SILENT_MS = 2000;
const LINE_EVERY_MS = 10_000;

/** @param what - what is done, as `reading model`. */
export function createByteProgress(output: Output, what: string, total: number): ByteProgress {
  if (output.quiet) return { add: () => undefined, stop: () => undefined };
  const begin = performance.now();
  let done = 0;
  let lastLine = begin + SILENT_MS - LINE_EVERY_MS;
  let bar: SingleBar | undefined;
  const text = (): string => {
    const seconds = (performance.now() - begin) / 1000;
    const rate = done / seconds;
    return `${formatPercent(total > 0 ? done / total : 1, 0)}, ${formatBytes(done)} of ${formatBytes(total)}, ${formatBytes(rate)}/s, ${formatSeconds((total - done) / rate)} left`;
  };
  return {
    add(bytes) {
      done += bytes;
      const now = performance.now();
      if (now - begin < SILENT_MS) return;
      if (output.stderr.isTTY === true) {
        if (bar === undefined) {
          bar = new SingleBar({
            stream: output.stderr,
            format: `${what} [{bar}] {text}`,
            barsize: barLength(output.stderr),
            clearOnComplete: true,
            hideCursor: true,
          });
          bar.start(Math.max(1, total), done, { text: text() });
        } else bar.update(done, { text: text() });
      } else if (now - lastLine >= LINE_EVERY_MS) {
        lastLine = now;
        output.note(`${what}: ${text()}`);
      }
    },
    stop() {
      bar?.stop();
      bar = undefined;
    },
  };
}

/** Characters of a bar, so that the words behind it fit the terminal too. */
export function barLength({ columns = 80 }: TerminalStream): number {
  return Math.max(4, Math.min(24, columns - 62));
}
