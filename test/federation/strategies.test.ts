import { describe, expect, it } from 'vitest';
import { fixedDenominator, trimmedMean, weightedMean } from '../../src/combine/reducers.js';
import { InvalidArgumentError } from '../../src/errors.js';
import { fedAvg, fedAvgM } from '../../src/federation/strategies/fedavg.js';
import { type ServerOptimizer, sgd } from '../../src/federation/strategies/server-optimizer.js';
import { defineStrategy, type Strategy } from '../../src/federation/strategies/strategy.js';
import { backends } from '../support/backends.js';

const bitsOf = (x: Float32Array): number[] => [...new Uint32Array(x.buffer, x.byteOffset, x.length)];

function optimizerOf({ aggregate }: Strategy): ServerOptimizer {
  if (typeof aggregate === 'function') throw new Error('no pipeline');
  return aggregate.serverOptimizer;
}

function zeroState(optimizer: ServerOptimizer, size: number): Record<string, Float32Array> {
  return Object.fromEntries(optimizer.stateNames.map((name) => [name, new Float32Array(size)]));
}

for (const kernels of backends) {
  /** Parameters after rounds of the same delta, from 0. */
  const movedBy = (optimizer: ServerOptimizer, delta: number, rounds: number): number => {
    const params = new Float32Array(1);
    const state = zeroState(optimizer, 1);
    for (let r = 0; r < rounds; r++) optimizer.step(kernels, params, Float32Array.of(delta), state);
    return params[0];
  };

  describe(`server optimisers on ${kernels.backend}`, () => {
    it('sgd adds the step: 10 + 0.5 * 3 = 11.5', () => {
      const params = Float32Array.of(10);
      sgd({ lr: 0.5 }).step(kernels, params, Float32Array.of(3), {});
      expect([...params]).toEqual([11.5]);
    });

    it.each([1, 2, 5, 40])(
      'momentum moves D (r - beta (1 - beta^r) / (1 - beta)) / (1 - beta) in %i rounds',
      (r) => {
        for (const beta of [0.5, 0.9, 0.99]) {
          const expected = (0.25 * (r - (beta * (1 - beta ** r)) / (1 - beta))) / (1 - beta);
          // Float32 state: relative error of a few units in the last place a round.
          expect(Math.abs(movedBy(sgd({ lr: 1, momentum: beta }), 0.25, r) / expected - 1)).toBeLessThan(
            1e-6 * r,
          );
        }
      },
    );

    it('Nesterov adds momentum v + Delta: 1.9 D in the first round, then 2.71 D', () => {
      const nesterov = sgd({ lr: 1, momentum: 0.9, nesterov: true });
      expect(movedBy(nesterov, 1, 1)).toBeCloseTo(1.9, 6);
      // v = 1.9 then: 0.9 * 1.9 + 1 = 2.71.
      expect(movedBy(nesterov, 1, 2)).toBeCloseTo(1.9 + 2.71, 6);
    });

    it('scales with the rate, momentum apart', () => {
      for (const nesterov of [false, true]) {
        const one = movedBy(sgd({ lr: 1, momentum: 0.9, nesterov }), 1, 7);
        expect(movedBy(sgd({ lr: 0.5, momentum: 0.9, nesterov }), 1, 7)).toBeCloseTo(0.5 * one, 5);
      }
    });

    it('leaves what nobody held as it is, to the bit, whatever momentum it has', () => {
      for (const options of [{}, { momentum: 0.9 }, { momentum: 0.9, nesterov: true }]) {
        const optimizer = sgd({ lr: 1, ...options });
        const params = Float32Array.of(-0, 3, 1e-45, 5);
        const before = params.slice();
        const state = { velocity: Float32Array.of(7, -0, 9, 2) };
        const velocity = state.velocity.slice();
        const held = Uint8Array.of(0, 0, 0, 1);
        optimizer.step(kernels, params, Float32Array.of(0, 0, 0, 1), state, held);
        expect(bitsOf(params).slice(0, 3)).toEqual(bitsOf(before).slice(0, 3));
        expect(bitsOf(state.velocity).slice(0, 3)).toEqual(bitsOf(velocity).slice(0, 3));
        expect(params[3]).toBeGreaterThan(5);
      }
    });
  });

  describe(`FedAvg on ${kernels.backend}`, () => {
    /** Runs 1-D quadratics (a / 2) (w - b)^2 with tau local gradient steps of size 0.1; float32 updates. */
    function federate(strategy: Strategy, start: number, tau: number, rounds: number): number {
      if (typeof strategy.aggregate === 'function' || strategy.aggregate.reduce.kind !== 'streaming')
        throw new Error('no streaming pipeline');
      const { reduce, serverOptimizer } = strategy.aggregate;
      const aggregator = reduce.create({ kernels, size: 1, expectedWeight: 2 });
      const params = Float32Array.of(start);
      const state = zeroState(serverOptimizer, 1);
      for (let round = 0; round < rounds; round++) {
        for (const [a, b] of [
          [1, 0],
          [4, 3],
        ]) {
          let w = params[0];
          for (let step = 0; step < tau; step++) w -= 0.1 * a * (w - b);
          aggregator.add(Float32Array.of(w - params[0]));
        }
        serverOptimizer.step(kernels, params, aggregator.finish(), state);
      }
      return params[0];
    }

    it('makes 4.72461 of 10 in one round of five local steps', () => {
      // w_k = (5.9049, 3.54432) by hand.
      expect(federate(fedAvg({ reduce: weightedMean() }), 10, 5, 1)).toBeCloseTo(4.72461, 5);
    });

    it.each([
      [1, 2.4],
      [5, 2.0775070396],
      [20, 1.5970567623],
    ])('has the fixed point of %i local steps at %f', (tau, fixedPoint) => {
      for (const reduce of [weightedMean(), fixedDenominator()])
        expect(federate(fedAvg({ reduce }), 10, tau, 200)).toBeCloseTo(fixedPoint, 5);
    });

    it('without momentum is FedAvgM at momentum 0, to the bit', () => {
      const reduce = weightedMean();
      const plain = federate(fedAvg({ reduce }), 10, 5, 7);
      expect(federate(fedAvgM({ reduce, momentum: 0 }), 10, 5, 7)).toBe(plain);
      expect(federate(fedAvgM({ reduce, momentum: 0, nesterov: true }), 10, 5, 7)).toBe(plain);
      expect(federate(fedAvgM({ reduce }), 10, 5, 7)).not.toBe(plain);
    });

    it('weighs by examples: clients [1, 2] and [3, 6] with 1 and 3 examples give [2.5, 5]', () => {
      const { aggregate } = fedAvg({ reduce: weightedMean() });
      if (typeof aggregate === 'function' || aggregate.reduce.kind !== 'streaming')
        throw new Error('no pipeline');
      const aggregator = aggregate.reduce.create({ kernels, size: 2, expectedWeight: 4 });
      aggregator.add(Float32Array.of(1, 2), { weight: 1 });
      aggregator.add(Float32Array.of(3, 6), { weight: 3 });
      const params = new Float32Array(2);
      aggregate.serverOptimizer.step(kernels, params, aggregator.finish(), {});
      expect([...params]).toEqual([2.5, 5]);
    });
  });
}

describe('FedAvgM', () => {
  it('has momentum 0.9 by default', () => {
    const [kernels] = backends;
    const optimizer = optimizerOf(fedAvgM({ reduce: weightedMean() }));
    expect(optimizer.stateNames).toEqual(['velocity']);
    const params = new Float32Array(1);
    const state = zeroState(optimizer, 1);
    for (let r = 0; r < 2; r++) optimizer.step(kernels, params, Float32Array.of(1), state);
    expect(params[0]).toBeCloseTo(1 + 1.9, 6);
  });
});

describe('wrong strategies', () => {
  it.each([
    { lr: 0 },
    { lr: -1 },
    { lr: Number.NaN },
    { lr: Infinity },
    { lr: 1, momentum: 1 },
    { lr: 1, momentum: -0.1 },
  ])('sgd refuses %o', (options) => {
    expect(() => sgd(options)).toThrow(InvalidArgumentError);
  });

  const good = {
    name: 'own',
    aggregate: { transforms: [], reduce: trimmedMean({ trim: 0.1 }), serverOptimizer: sgd({ lr: 1 }) },
  };

  it('a right record is returned frozen', () => {
    const strategy = defineStrategy(good);
    expect(strategy).toEqual(good);
    expect(Object.isFrozen(strategy)).toBe(true);
    const custom = defineStrategy({ name: 'custom', aggregate: async () => new Float32Array(1) });
    expect(custom.name).toBe('custom');
  });

  it.each<[string, object]>([
    ['name', { name: '' }],
    ['select', { select: 'all' }],
    ['client.proximal', { client: { proximal: -1 } }],
    ['client.proximal', { client: { proximal: Infinity } }],
    ['aggregate.transforms', { aggregate: undefined }],
    ['aggregate.transforms', { aggregate: { ...good.aggregate, transforms: {} } }],
    ['aggregate.transforms', { aggregate: { ...good.aggregate, transforms: [undefined] } }],
    ['aggregate.reduce', { aggregate: { ...good.aggregate, reduce: undefined } }],
    ['aggregate.reduce', { aggregate: { ...good.aggregate, reduce: { name: 'mean' } } }],
    ['aggregate.reduce', { aggregate: { ...good.aggregate, reduce: { name: 'm', kind: 'streaming' } } }],
    ['aggregate.serverOptimizer', { aggregate: { ...good.aggregate, serverOptimizer: {} } }],
  ])('a wrong %s is named', (argument, part) => {
    expect(() => defineStrategy({ ...good, ...part } as never)).toThrow(InvalidArgumentError);
    expect(() => defineStrategy({ ...good, ...part } as never)).toThrow(
      `defineStrategy: ${argument} must be`,
    );
  });
});
