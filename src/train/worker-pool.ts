/** A fixed number of threads that answer one message at a time; tasks wait in order for a free one. */
import { platform } from '#platform';
import type { WorkerHandle } from '../platform/platform.js';
import { WorkerCrashError } from './errors.js';
import type { WorkerReply, WorkerTask } from './worker-protocol.js';

interface Waiting {
  task: WorkerTask;
  transfer: ArrayBuffer[];
  resolve(result: unknown): void;
  reject(error: unknown): void;
}

interface Thread {
  handle: WorkerHandle;
  current?: Waiting;
}

export interface WorkerPool {
  readonly size: number;
  /** Sends a task to the next free thread. Resolves with its result; a thread that dies rejects its task and is replaced. */
  submit(task: WorkerTask, transfer?: ArrayBuffer[]): Promise<unknown>;
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
  const threads: Thread[] = [];
  let disposed = false;

  const next = (thread: Thread): void => {
    const waiting = queue.shift();
    thread.current = waiting;
    if (waiting) thread.handle.post(waiting.task, waiting.transfer);
  };

  const start = (): Thread => {
    const thread: Thread = { handle: createWorker() };
    thread.handle.onMessage((message) => {
      const reply = message as WorkerReply;
      const done = thread.current;
      if (!done) return;
      next(thread);
      if ('error' in reply) done.reject(revive(reply.error));
      else done.resolve(reply.result);
    });
    thread.handle.onError((error) => {
      if (disposed) return;
      thread.current?.reject(new WorkerCrashError(error));
      threads[threads.indexOf(thread)] = start();
      void thread.handle.terminate();
    });
    // The setup is a task like others, at the head of this thread's work.
    thread.current = { task: setup, transfer: [], resolve: () => {}, reject: (error) => failAll(error) };
    thread.handle.post(setup);
    return thread;
  };

  const failAll = (error: unknown): void => {
    for (const waiting of queue.splice(0)) waiting.reject(error);
  };

  for (let i = 0; i < size; i++) threads.push(start());
  return {
    size,
    submit(task, transfer = []) {
      return new Promise((resolve, reject) => {
        queue.push({ task, transfer, resolve, reject });
        const idle = threads.find((thread) => thread.current === undefined);
        if (idle) next(idle);
      });
    },
    async dispose() {
      disposed = true;
      failAll(new WorkerCrashError(new Error('the pool was disposed')));
      await Promise.all(threads.map((thread) => thread.handle.terminate()));
    },
  };
}

function revive(error: { name: string; message: string; stack?: string; code?: string }): Error {
  const made = new Error(error.message);
  made.name = error.name;
  made.stack = error.stack;
  return error.code === undefined ? made : Object.assign(made, { code: error.code });
}
