import fc from 'fast-check';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { createAggregator } from '../../src/combine/aggregator.js';
import { InvalidArgumentError } from '../../src/errors.js';
import { inOrder } from '../../src/federation/reorder.js';
import { backends } from '../support/backends.js';

const [kernels] = backends;

/** Lets everything that is due run. */
const settle = (): Promise<void> => new Promise((resolve) => setImmediate(resolve));

/** Pieces of work that the test finishes by hand. */
function work() {
  const pending = new Map<number, { resolve(value: string): void; reject(error: Error): void }>();
  const started: number[] = [];
  const start = (slot: number): Promise<string> => {
    started.push(slot);
    return new Promise((resolve, reject) => {
      pending.set(slot, { resolve, reject });
    });
  };
  const of = (slot: number) => {
    const piece = pending.get(slot);
    if (!piece) throw new Error(`piece ${slot} was not started`);
    pending.delete(slot);
    return piece;
  };
  return {
    start,
    started,
    finish: (slot: number) => of(slot).resolve(`r${slot}`),
    fail: (slot: number) => of(slot).reject(new Error(`piece ${slot}`)),
  };
}

let unhandled: unknown[] = [];
const note = (reason: unknown): void => void unhandled.push(reason);
beforeEach(() => {
  unhandled = [];
  process.on('unhandledRejection', note);
});
afterEach(() => {
  process.off('unhandledRejection', note);
});

describe('the reorder window', () => {
  it('starts `window` pieces and one more for each that is handed back', async () => {
    const { start, started, finish } = work();
    const results = inOrder(6, 3, start);
    const first = results.next();
    await settle();
    expect(started).toEqual([0, 1, 2]);
    finish(2);
    finish(1);
    await settle();
    expect(started, 'later pieces that are done make no room').toEqual([0, 1, 2]);
    finish(0);
    expect((await first).value).toEqual({ slot: 0, result: 'r0' });
    expect(started, 'a result in hand still counts').toEqual([0, 1, 2]);
    expect((await results.next()).value).toEqual({ slot: 1, result: 'r1' });
    expect(started).toEqual([0, 1, 2, 3]);
    expect((await results.next()).value).toEqual({ slot: 2, result: 'r2' });
    for (const slot of [3, 4]) finish(slot);
    expect((await results.next()).value).toEqual({ slot: 3, result: 'r3' });
    const rest = results.next();
    await settle();
    expect(started).toEqual([0, 1, 2, 3, 4, 5]);
    await rest;
    finish(5);
    expect((await results.next()).value).toEqual({ slot: 5, result: 'r5' });
    expect((await results.next()).done).toBe(true);
  });

  it('never has more than `window` pieces open, and hands all back in order, whatever finishes first', async () => {
    await fc.assert(
      fc.asyncProperty(
        fc.array(fc.nat(6), { maxLength: 30 }),
        fc.integer({ min: 1, max: 8 }),
        async (ticks, window) => {
          let open = 0;
          let most = 0;
          const start = async (slot: number): Promise<number> => {
            most = Math.max(most, ++open);
            for (let tick = 0; tick < ticks[slot]; tick++) await Promise.resolve();
            return 10 * slot;
          };
          const seen: [number, number][] = [];
          for await (const { slot, result } of inOrder(ticks.length, window, start)) {
            seen.push([slot, result]);
            await Promise.resolve();
            open--;
          }
          expect(seen).toEqual(ticks.map((_, slot) => [slot, 10 * slot]));
          expect(most).toBe(Math.min(window, ticks.length));
        },
      ),
      { seed: 10, numRuns: 100 },
    );
  });

  it('gives a sum the same bits whatever order clients finish in', async () => {
    const updates = Array.from({ length: 50 }, (_, i) => Float32Array.of((-1.37) ** (i % 30) / 3, 1e-3 * i));
    const run = async (ticksOf: (slot: number) => number): Promise<number[]> => {
      const aggregator = createAggregator({ kernels, size: 2, maxNorm: 5 });
      const start = async (slot: number): Promise<Float32Array> => {
        for (let tick = 0; tick < ticksOf(slot); tick++) await Promise.resolve();
        return updates[slot];
      };
      for await (const { slot, result } of inOrder(updates.length, 8, start))
        aggregator.add(result, { slot, weight: slot + 1 });
      return [...new Uint32Array(aggregator.finish().buffer)];
    };
    const ascending = await run(() => 0);
    expect(await run((slot) => 50 - slot)).toEqual(ascending);
    expect(await run((slot) => (slot * 7919) % 31)).toEqual(ascending);
  });

  it('throws the first failure in order, once, after what runs has settled, and starts nothing more', async () => {
    const { start, started, finish, fail } = work();
    const results = inOrder(10, 4, start);
    const first = results.next();
    await settle();
    fail(2);
    fail(1);
    await settle();
    finish(0);
    expect((await first).value).toEqual({ slot: 0, result: 'r0' });
    let thrown: unknown;
    const second = results.next().catch((error: unknown) => {
      thrown = error;
    });
    await settle();
    expect(thrown, 'piece 3 is still running').toBeUndefined();
    finish(3);
    await settle();
    finish(4);
    await second;
    expect(String(thrown)).toBe('Error: piece 1');
    expect(started).toEqual([0, 1, 2, 3, 4]);
    expect(await results.next()).toEqual({ done: true, value: undefined });
    await settle();
    expect(unhandled).toEqual([]);
  });

  it('waits for what runs when the consumer leaves, and lets its failures rest', async () => {
    const { start, finish, fail } = work();
    const results = inOrder(10, 3, start);
    const first = results.next();
    await settle();
    finish(0);
    await first;
    let left = false;
    const leaving = results.return(undefined).then(() => {
      left = true;
    });
    await settle();
    expect(left).toBe(false);
    fail(1);
    finish(2);
    await leaving;
    await settle();
    expect(unhandled).toEqual([]);
  });

  it('passes on what `start` itself throws', async () => {
    const start = (slot: number): Promise<number> => {
      if (slot === 1) throw new Error('no workers');
      return Promise.resolve(slot);
    };
    await expect(inOrder(3, 2, start).next()).rejects.toThrow('no workers');
  });

  it('does nothing for no work', async () => {
    const { start, started } = work();
    expect((await inOrder(0, 2, start).next()).done).toBe(true);
    expect(started).toEqual([]);
  });

  it.each([
    [3, 0],
    [3, 1.5],
    [3, Number.NaN],
    [-1, 2],
    [0.5, 2],
  ])('refuses %d pieces in a window of %d', async (count, window) => {
    await expect(inOrder(count, window, async () => 0).next()).rejects.toThrow(InvalidArgumentError);
  });
});
