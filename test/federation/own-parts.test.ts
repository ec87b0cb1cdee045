/** Parts of a user's own in a run: a traced model, a trainer, strategies, a stage. */
import { describe, expect, it } from 'vitest';
import { trimmedMean } from '../../src/combine/reducers.js';
import { sgd } from '../../src/federation/strategies/server-optimizer.js';
import { defineStrategy, type Strategy, type Transform } from '../../src/federation/strategies/strategy.js';
import { defineModel } from '../../src/program/model.js';
import { dense, type Stage } from '../../src/update/stage.js';
import { allow, fullPipeline, options, runWith, simulate, trainer } from './fixtures.js';

describe('a traced model', () => {
  const twin = defineModel({ input: [6], classes: 3, name: 'twin' }, (t, x) =>
    t.dense(t.tanh(t.dense(x, { units: 8, name: 'fc1' })), { units: 3, name: 'fc2' }),
  );

  it('of the same layers as a built-in one gives the same bytes', async () => {
    const built = await simulate(options());
    const traced = await simulate(options({ model: twin }));
    expect(traced.fingerprint).toBe(built.fingerprint);
    expect(traced.spec.entries.map(({ name }) => name)).toEqual([
      'fc1.weight',
      'fc1.bias',
      'fc2.weight',
      'fc2.bias',
    ]);
  });

  it('passes the whole pipeline and learns', async () => {
    const result = await simulate(
      options({
        model: twin,
        update: { ...fullPipeline, pipeline: fullPipeline.pipeline?.slice(0, 3) },
        privacy: allow,
        run: { numServerRounds: 25 },
      }),
    );
    expect(result.metrics['central-val/accuracy'].best).toBeGreaterThan(0.8);
  });
});

describe('a trainer of one’s own', () => {
  it('gets the job and decides the update; the engine evaluates', async () => {
    const jobs: string[] = [];
    const result = await simulate(
      options({
        client: {
          lr: 0.5,
          lrSchedule: 'step',
          lrStepEvery: 2,
          lrGamma: 0.5,
          trainer: trainer(({ params, index, client, round, lr, spec, data, seed }) => {
            jobs.push(`${round} ${client} ${lr} ${seed}`);
            expect(index.length).toBe(10);
            expect(spec.size).toBe(params.length);
            expect(data.size).toBe(120);
            return new Float32Array(params.length);
          }),
        },
        run: { numServerRounds: 3, seed: 8 },
      }),
    );
    expect(jobs).toHaveLength(18);
    expect(new Set(jobs).size).toBe(18);
    expect(jobs.filter((job) => / 0\.5 8$/.test(job))).toHaveLength(12);
    expect(jobs.filter((job) => /^2 \d+ 0\.25 8$/.test(job))).toHaveLength(6);
    expect(result.metrics['central-val/loss'].final).toBeGreaterThan(0);
    expect(result.metrics['server/update-norm'].final).toBe(0);
  });
});

describe('a strategy of one’s own', () => {
  const values = trainer(({ params, client }) => new Float32Array(params.length).fill(client ** 2));
  const moved = (strategy: Strategy, cohortSize = 12): Promise<Float32Array> =>
    runWith(
      options({
        client: { trainer: values },
        strategy: { type: strategy, cohortSize },
        run: { numServerRounds: 1 },
      }),
      ({ params }) => {
        params.fill(0);
        return {};
      },
    ).then(({ params }) => params);

  it('with trimmedMean averages the middle values', async () => {
    const strategy = defineStrategy({
      name: 'trim',
      aggregate: { transforms: [], reduce: trimmedMean({ trim: 0.25 }), serverOptimizer: sgd({ lr: 2 }) },
    });
    // Of 0, 1, 4 .. 121 the three smallest and largest go: (9 + 16 + 25 + 36 + 49 + 64) / 6 = 199 / 6, times the rate 2.
    for (const value of await moved(strategy)) expect(value).toBe(Math.fround(2 * Math.fround(199 / 6)));
  });

  it('as an async function gets the updates in cohort order and returns the step', async () => {
    const order: number[] = [];
    const strategy = defineStrategy({
      name: 'largest',
      async aggregate(updates, { size, params, kernels, round }) {
        expect([round, params.length, kernels.backend]).toEqual([0, size, 'reference']);
        let best = new Float32Array(size);
        for await (const { update, client, slot, weight } of updates) {
          expect(slot).toBe(order.length);
          expect(weight).toBe(1);
          order.push(client);
          await new Promise((resolve) => setTimeout(resolve, 1));
          if (update[0] > best[0]) best = update.slice(); // borrowed until the next one comes
        }
        return best;
      },
    });
    const params = await moved(strategy);
    expect(order).toEqual([...Array(12).keys()]);
    expect(new Set(params)).toEqual(new Set([121]));
  });

  it('may stop reading early; what still runs is waited for', async () => {
    let running = 0;
    let after = -1;
    const strategy: Strategy = {
      name: 'first',
      async aggregate(updates, { size }) {
        const first = await updates[Symbol.asyncIterator]().next();
        return first.done ? new Float32Array(size) : first.value.update.slice();
      },
    };
    await runWith(
      options({ strategy: { type: strategy, cohortSize: 12 }, run: { numServerRounds: 2 } }),
      ({ trainer: local }) => ({
        workers: 4,
        trainer: {
          name: 'slow',
          async train(job) {
            if (job.round === 1 && after < 0) after = running;
            running++;
            await new Promise((resolve) => setTimeout(resolve, 2 + job.client));
            running--;
            return local.train(job);
          },
        },
      }),
    );
    expect(after).toBe(0);
  });

  it('selects its own cohort', async () => {
    const chosen = Uint32Array.from([1, 5, 10]);
    const halve: Transform = {
      name: 'halve',
      apply(update, { kernels, weight }) {
        kernels.scaleF32(update, 0.5);
        return weight;
      },
    };
    const strategy = defineStrategy({
      name: 'fixed list',
      select: ({ round, population, cohortSize }) => {
        expect([round, population, cohortSize]).toEqual([0, 12, 3]);
        return chosen;
      },
      aggregate: {
        transforms: [halve],
        reduce: trimmedMean({ trim: 0 }),
        serverOptimizer: sgd({ lr: 1 }),
      },
    });
    for (const value of await moved(strategy, 3)) expect(value).toBe((1 + 25 + 100) / 3 / 2);
  });
});

it('a stage of one’s own changes the update on both sides and counts its bytes', async () => {
  // Sends every second coordinate; the server gets zeros for the rest.
  const half: Stage = {
    name: 'half',
    upload: {
      encode(payload) {
        if (payload.kind !== 'dense') return payload;
        return { ...dense(payload.values.map((v, i) => (i % 2 === 0 ? v : 0))), bytes: 4 * 42 };
      },
      decode: (payload) => payload,
    },
  };
  const ones = trainer(({ params }) => new Float32Array(params.length).fill(1));
  const result = await runWith(
    options({ client: { trainer: ones }, update: { pipeline: [half] }, run: { numServerRounds: 1 } }),
    ({ params }) => {
      params.fill(0);
      return {};
    },
  );
  expect(Array.from(result.params)).toEqual(Array.from({ length: 83 }, (_, i) => (i % 2 === 0 ? 1 : 0)));
  expect(result.summary.comm.upBytes).toBe(6 * 4 * 42);
});
