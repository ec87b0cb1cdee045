/** How Ctrl-C, or a SIGTERM as of a scheduler, ends a verb: in order the first time, at once the second. */
import { EXIT } from './exit-codes.js';
import type { Output } from './output.js';

export interface Interruption {
  /** What is done before the end, as `finishing the round`. */
  readonly doing: string;
  /** What the signal is aborted with. */
  readonly reason: Error;
}

/** The first interruption aborts `stop`, the second ends the process. @returns what takes the listeners off again. */
export function listenForInterrupt(
  stop: AbortController,
  output: Output,
  { doing, reason }: Interruption,
): () => void {
  let asked = false;
  const onInterrupt = (): void => {
    if (asked) process.exit(EXIT.interrupted);
    asked = true;
    // A terminal has shown ^C on the line of the progress.
    const line = output.stderr.isTTY === true ? '\n' : '';
    output.note(`${line}interrupted: ${doing} (again to exit at once)`);
    stop.abort(reason);
  };
  process.on('SIGINT', onInterrupt);
  process.on('SIGTERM', onInterrupt);
  return () => {
    process.off('SIGINT', onInterrupt);
    process.off('SIGTERM', onInterrupt);
  };
}

/** Runs what heeds a signal. @throws the reason, whatever the interrupted work itself fails with; else as `work`. */
export async function interruptible<T>(
  output: Output,
  interruption: Interruption,
  work: (signal: AbortSignal) => Promise<T>,
): Promise<T> {
  const stop = new AbortController();
  const release = listenForInterrupt(stop, output, interruption);
  try {
    return await work(stop.signal);
  } catch (error) {
    throw stop.signal.aborted ? interruption.reason : error;
  } finally {
    release();
  }
}
