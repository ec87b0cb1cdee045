import { SingleBar } from 'cli-progress';
import type { TerminalStream } from '../report/terminal.js';
import type { Output } from './output.js';

/** How far something has come, on stderr: a bar on a terminal, else a line every so often; nothing in the first two seconds. */
export interface ProgressBar {
  /** @param text - of the seconds since the start, what stands behind the bar. */
  update(done: number, total: number, text: (seconds: number) => string): void;
  /** Removes the bar; safe to call again. */
  stop(): void;
}

const SILENT_MS = 2000;
/** Without a terminal. */
const LINE_EVERY_MS = 10_000;

/** @param what - what is done, as `reading`. The clock starts here. */
export function createProgressBar(output: Output, what: string): ProgressBar {
  if (output.quiet) return { update: () => undefined, stop: () => undefined };
  const begin = performance.now();
  let lastLine = begin + SILENT_MS - LINE_EVERY_MS;
  let bar: SingleBar | undefined;
  return {
    update(done, total, text) {
      const now = performance.now();
      if (now - begin < SILENT_MS) return;
      const seconds = (now - begin) / 1000;
      if (output.stderr.isTTY === true) {
        if (bar === undefined) {
          bar = new SingleBar({
            stream: output.stderr,
            format: `${what} [{bar}] {text}`,
            barsize: barLength(output.stderr),
            clearOnComplete: true,
            hideCursor: true,
          });
          bar.start(Math.max(1, total), done, { text: text(seconds) });
        } else {
          // How much there is may turn out on the way.
          bar.setTotal(Math.max(1, total));
          bar.update(done, { text: text(seconds) });
        }
      } else if (now - lastLine >= LINE_EVERY_MS) {
        lastLine = now;
        output.note(`${what}: ${text(seconds)}`);
      }
    },
    stop() {
      bar?.stop();
      bar = undefined;
    },
  };
}

/** Characters of a bar, so that the words behind it fit the terminal too. */
function barLength({ columns = 80 }: TerminalStream): number {
  return Math.max(4, Math.min(24, columns - 62));
}
