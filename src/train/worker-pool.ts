/** A fixed number of threads that answer one message at a time; tasks wait in order for a free one. */
import { platform } from '#platform';
import { DisposedError } from '../errors.js';
import type { WorkerHandle } from '../platform/platform.js';
import { WorkerCrashError } from './errors.js';
import type { WorkerReply, WorkerTask } from './worker-protocol.js';

/** A task, or what makes it for a thread that was sent the given things before. */
export type TaskSource = WorkerTask | ((sent: Set<unknown>) => WorkerTask);

interface Waiting {
  task: TaskSource;
  transfer: ArrayBuffer[];
  resolve(result: unknown): void;
  reject(error: unknown): void;
}

interface Thread {
  handle: WorkerHandle;
  current?: Waiting;
  /** Answered its setup once: what ends it later is a job's doing. */
  ready: boolean;
  /** What makers of tasks have noted for this thread. */
  readonly sent: Set<unknown>;
}

export interface WorkerPool {
  readonly size: number;
  /** Resolves when every thread has answered its setup; rejects with the first that could not start. */
  readonly ready: Promise<void>;
  /**
   * Sends a task to the next free thread. Resolves with its result; a thread that dies rejects its task and is replaced. After a
   * setup that failed, every task is rejected with that failure.
   */
  submit(task: TaskSource, transfer?: ArrayBuffer[]): Promise<unknown>;
  dispose(): Promise<void>;
}

let createWorker = (): WorkerHandle => platform.createWorker();

/** Uses another way to start the worker entry (a bundler's own worker syntax). */
export function useWorkers(create: () => WorkerHandle): void {
  createWorker = create;
}

/** @param setup - sent to every thread before its first task. */
export function createWorkerPool(size: number, setup: WorkerTask): WorkerPool {
  const queue: Waiting[] = [];
  const threads = new Set<Thread>();
  let disposed = false;
  let broken: { error: unknown } | undefined;
  let settleReady = { resolve: () => {}, reject: (_: unknown) => {} };
  const ready = new Promise<void>((resolve, reject) => {
    settleReady = { resolve, reject };
  });
  // Tasks are rejected with the same error: who does not wait for `ready` misses nothing.
  ready.catch(() => {});

  const next = (thread: Thread): void => {
    const waiting = queue.shift();
    thread.current = waiting;
    // A thread that waits must not keep the process alive, one that works has to.
    thread.handle.keepAlive?.(waiting !== undefined);
    if (!waiting) return;
    const { task, transfer } = waiting;
    thread.handle.post(typeof task === 'function' ? task(thread.sent) : task, transfer);
  };

  /** A setup that fails on one thread fails on all: nothing can run. */
  const breakPool = (error: unknown): void => {
    broken ??= { error };
    settleReady.reject(broken.error);
    for (const waiting of queue.splice(0)) waiting.reject(broken.error);
  };

  const start = (): void => {
    const thread: Thread = { handle: createWorker(), ready: false, sent: new Set() };
    threads.add(thread);
    thread.handle.onMessage((message) => {
      const reply = message as WorkerReply;
      const done = thread.current;
      if (!done) return;
      if ('error' in reply) done.reject(revive(reply.error));
      else done.resolve(reply.result);
      next(thread);
    });
    thread.handle.onError((error) => {
      if (disposed || !threads.delete(thread)) return;
      void thread.handle.terminate();
      thread.current?.reject(new WorkerCrashError(error));
      // One that never got ready would not get further the next time.
      if (thread.ready) start();
    });
    // The setup is a task like others, at the head of this thread's work.
    thread.current = {
      task: setup,
      transfer: [],
      resolve: () => {
        thread.ready = true;
        if ([...threads].every((each) => each.ready)) settleReady.resolve();
      },
      reject: breakPool,
    };
    thread.handle.post(setup);
  };

  try {
    for (let i = 0; i < size; i++) start();
  } catch (error) {
    // No such thing as a Worker here, or none left.
    breakPool(new WorkerCrashError(error instanceof Error ? error : new Error(String(error))));
  }
  return {
    size,
    ready,
    submit(task, transfer = []) {
      if (disposed) return Promise.reject(new DisposedError('a worker pool'));
      if (broken) return Promise.reject(broken.error);
      return new Promise((resolve, reject) => {
        queue.push({ task, transfer, resolve, reject });
        for (const thread of threads)
          if (thread.current === undefined) {
            next(thread);
            break;
          }
      });
    },
    async dispose() {
      disposed = true;
      for (const waiting of queue.splice(0)) waiting.reject(new DisposedError('a worker pool'));
      for (const { current } of threads) current?.reject(new DisposedError('a worker pool'));
      await Promise.all([...threads].map((thread) => thread.handle.terminate()));
    },
  };
}

function revive(error: { name: string; message: string; stack?: string; code?: string }): Error {
  const made = new Error(error.message);
  made.name = error.name;
  made.stack = error.stack;
  return error.code === undefined ? made : Object.assign(made, { code: error.code });
}
