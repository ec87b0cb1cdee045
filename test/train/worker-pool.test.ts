import { execFile } from 'node:child_process';
import { fileURLToPath } from 'node:url';
import { promisify } from 'node:util';
import { afterEach, describe, expect, it } from 'vitest';
import { platform } from '../../src/platform/node.js';
import type { WorkerHandle } from '../../src/platform/platform.js';
import { createWorkerPool, useWorkers } from '../../src/train/worker-pool.js';
import type { WorkerTask } from '../../src/train/worker-protocol.js';

/** A thread that answers when the test says so. */
interface FakeThread {
  readonly posted: unknown[];
  readonly terminated: boolean;
  answer(reply: unknown): void;
  fail(error: Error): void;
}

function fakeThreads(): FakeThread[] {
  const threads: FakeThread[] = [];
  useWorkers((): WorkerHandle => {
    let onMessage = (_message: unknown): void => {};
    let onError = (_error: Error): void => {};
    const thread = {
      posted: [] as unknown[],
      terminated: false,
      answer: (reply: unknown) => onMessage(reply),
      fail: (error: Error) => onError(error),
    };
    threads.push(thread);
    return {
      post: (message) => thread.posted.push(message),
      onMessage: (listener) => {
        onMessage = listener;
      },
      onError: (listener) => {
        onError = listener;
      },
      async terminate() {
        thread.terminated = true;
        onError(new Error('exit after terminate'));
      },
    };
  });
  return threads;
}
afterEach(() => useWorkers(() => platform.createWorker()));

const setup: WorkerTask = { type: 'reference', profile: 'plain' };
const task = (name: string): WorkerTask => ({ type: 'trainer', module: name });
const settle = (): Promise<void> => new Promise((resolve) => setTimeout(resolve, 0));

describe('worker pool', () => {
  it('sends the setup first, then one task at a time in order', async () => {
    const threads = fakeThreads();
    const pool = createWorkerPool(2, setup);
    const results = ['a', 'b', 'c'].map((name) => pool.submit(task(name)));
    expect(threads.map(({ posted }) => posted)).toEqual([[setup], [setup]]);
    threads[1].answer({ result: null });
    expect(threads[1].posted[1]).toEqual(task('a'));
    threads[0].answer({ result: null });
    expect(threads[0].posted[1]).toEqual(task('b'));
    threads[0].answer({ result: 'from b' });
    expect(threads[0].posted[2]).toEqual(task('c'));
    threads[0].answer({ result: 'from c' });
    threads[1].answer({ result: 'from a' });
    expect(await Promise.all(results)).toEqual(['from a', 'from b', 'from c']);
    await pool.dispose();
    expect(threads.every(({ terminated }) => terminated)).toBe(true);
  });

  it('keeps name, message, stack and code of an error of a task', async () => {
    const threads = fakeThreads();
    const pool = createWorkerPool(1, setup);
    const failed = pool.submit(task('a')).catch((error: unknown) => error);
    threads[0].answer({ result: null });
    threads[0].answer({ error: { name: 'RangeError', message: 'far', stack: 'at a.js:1', code: 'E_FAR' } });
    expect(await failed).toMatchObject({
      name: 'RangeError',
      message: 'far',
      stack: 'at a.js:1',
      code: 'E_FAR',
    });
    await pool.dispose();
  });

  it('replaces a thread that dies under a task, once, and goes on', async () => {
    const threads = fakeThreads();
    const pool = createWorkerPool(1, setup);
    const lost = pool.submit(task('a')).catch((error: unknown) => error);
    const next = pool.submit(task('b'));
    threads[0].answer({ result: null });
    threads[0].fail(new Error('out of memory'));
    threads[0].fail(new Error('exit code 1'));
    expect(await lost).toMatchObject({
      code: 'ERR_WORKER_CRASH',
      message: expect.stringContaining('out of memory'),
    });
    expect(threads).toHaveLength(2);
    threads[1].answer({ result: null });
    expect(threads[1].posted).toEqual([setup, task('b')]);
    threads[1].answer({ result: 'b' });
    expect(await next).toBe('b');
    await pool.dispose();
  });

  it('rejects everything after a setup that failed, and does not start threads without end', async () => {
    for (const fail of [
      (thread: FakeThread) => thread.answer({ error: { name: 'Error', message: 'no back end' } }),
      (thread: FakeThread) => thread.fail(new Error('no back end')),
    ]) {
      const threads = fakeThreads();
      const pool = createWorkerPool(1, setup);
      const waiting = pool.submit(task('a')).catch((error: Error) => error.message);
      fail(threads[0]);
      expect(await waiting).toContain('no back end');
      expect(await pool.submit(task('b')).catch((error: Error) => error.message)).toContain('no back end');
      await settle();
      expect(threads).toHaveLength(1);
      await pool.dispose();
    }
  });

  it('rejects what runs and what waits when it is disposed, and what comes after', async () => {
    const threads = fakeThreads();
    const pool = createWorkerPool(1, setup);
    const codes = ['a', 'b'].map((name) =>
      pool.submit(task(name)).catch((error: { code: string }) => error.code),
    );
    threads[0].answer({ result: null });
    await pool.dispose();
    expect(await Promise.all(codes)).toEqual(['ERR_DISPOSED', 'ERR_DISPOSED']);
    await expect(pool.submit(task('c'))).rejects.toMatchObject({ code: 'ERR_DISPOSED' });
    expect(threads).toHaveLength(1);
  });
});

describe('real threads', () => {
  const dist = fileURLToPath(new URL('../../dist/', import.meta.url));
  const run = async (code: string): Promise<{ stdout: string; seconds: number }> => {
    const start = performance.now();
    const args = ['--input-type=module', '-e', code];
    const { stdout } = await promisify(execFile)(process.execPath, args, { timeout: 30_000 });
    return { stdout, seconds: (performance.now() - start) / 1000 };
  };

  it('do not keep a process alive that has nothing else to do', async () => {
    const { stdout } = await run(`
      import { createWorkerPool } from '${dist}train/worker-pool.js';
      const pool = createWorkerPool(2, { type: 'reference', profile: 'plain' });
      await new Promise((resolve) => setTimeout(resolve, 300));
      console.log('done');
    `);
    expect(stdout).toBe('done\n');
  });

  it('keep it alive while a task runs', async () => {
    const module = fileURLToPath(new URL('slow-trainer.mjs', import.meta.url));
    const { stdout } = await run(`
      import { createModuleTrainer } from '${dist}train/module-trainer.js';
      import { softmaxRegression } from '${dist}nn/zoo.js';
      const trainer = createModuleTrainer(new URL('file://${module}').href, 1);
      const { spec } = softmaxRegression(2, 2);
      const result = await trainer.train({ params: new Float32Array(6), spec, client: 0, round: 0 });
      console.log('update', result.update.length);
    `);
    expect(stdout).toBe('update 6\n');
  });
});
