/** Lanes that are worker threads of Node. */
import { existsSync } from 'node:fs';
import { fileURLToPath } from 'node:url';
import { Worker } from 'node:worker_threads';
import type { Totals } from '../../combine/merge/magnitude-counter.js';
import { HeddleError } from '../../errors.js';
import { type Lane, reusedSlots } from './lane.js';
import type { ChunkResult, TaskShape } from './task.js';
import { revivedError, type ThreadMessage, type ThreadReply, type ThreadSetup } from './thread-protocol.js';

/** A thread of the merge ended by itself. */
class MergeThreadError extends HeddleError {
  constructor(cause: Error) {
    super(
      'ERR_WORKER_CRASHED',
      `a merge thread ended: ${cause.message}`,
      'run again with --resume and --workers 1; if it happens again, report it with the recipe',
      { cause },
    );
  }
}

// The sources run under the test runner, but a thread needs compiled JavaScript.
function entry(): URL {
  const compiled = new URL('../merge-thread.js', import.meta.url);
  return existsSync(fileURLToPath(compiled))
    ? compiled
    : new URL('../../../dist/merge/merge-thread.js', import.meta.url);
}

/** Starts a thread with kernels of its own. */
export function createThreadLane(setup: ThreadSetup): Lane {
  const fromText = process.execArgv.some((option) => option.startsWith('--input-type'));
  const worker = new Worker(entry(), fromText ? { execArgv: [] } : {});
  const waiting: { resolve(value: unknown): void; reject(error: unknown): void }[] = [];
  let ended: Error | undefined;
  let disposed = false;

  const post = (message: ThreadMessage): Promise<unknown> => {
    if (ended !== undefined) return Promise.reject(ended);
    return new Promise((resolve, reject) => {
      waiting.push({ resolve, reject });
      worker.postMessage(message);
    });
  };
  worker.on('message', (reply: ThreadReply) => {
    const first = waiting.shift();
    if ('error' in reply) first?.reject(revivedError(reply.error));
    else first?.resolve(reply.result);
  });
  const crash = (error: Error): void => {
    if (disposed) return;
    ended ??= new MergeThreadError(error);
    for (const { reject } of waiting.splice(0)) reject(ended);
  };
  worker.on('error', crash);
  worker.on('exit', (code) => crash(new Error(`it exited with code ${code}`)));

  const ready = post({ type: 'setup', setup });
  ready.catch(() => {});
  return {
    reachesFiles: true,
    async begin(id, start) {
      const shape = post({ type: 'begin', id, start });
      shape.catch(() => {});
      await ready;
      return (await shape) as TaskShape;
    },
    run: (id, command) => post({ type: 'run', id, command }) as Promise<ChunkResult | undefined>,
    end: (id) => worker.postMessage({ type: 'end', id } satisfies ThreadMessage),
    collect: () => post({ type: 'collect' }) as Promise<ReadonlyMap<string, Totals>>,
    // Shared, so that bytes are read into it and written from it without a copy to the thread.
    slot: reusedSlots((bytes) => new Uint8Array(new SharedArrayBuffer(bytes))),
    async dispose() {
      disposed = true;
      await worker.terminate();
    },
  };
}
