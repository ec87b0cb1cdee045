import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { UpdateRejectedError } from '../../src/combine/errors.js';
import { InvalidArgumentError } from '../../src/errors.js';
import { clip } from '../../src/update/clip.js';
import { centralNoiseStddev, gaussianNoise } from '../../src/update/gaussian-noise.js';
import { quantize } from '../../src/update/quantize.js';
import { type Codec, dense, type Payload, type Stage } from '../../src/update/stage.js';
import { backends } from '../support/backends.js';
import { bitsOf, distinct, mlp, stageContext } from './fixtures.js';

const spec = mlp(2, 2, 2, 2);

function uploadOf({ upload }: Stage): Codec {
  if (!upload) throw new Error('the stage has no upload');
  return upload;
}

function valuesOf(payload: Payload): Float32Array {
  if (payload.kind !== 'dense') throw new Error(`received ${payload.kind}`);
  return payload.values;
}

const exactNorm = (x: Float32Array): number =>
  Math.sqrt(
    [...x]
      .map((v) => v * v)
      .sort((a, b) => a - b)
      .reduce((sum, v) => sum + v, 0),
  );

for (const kernels of backends)
  describe(`upload stages on ${kernels.backend}`, () => {
    const context = stageContext(kernels, spec, { client: 12, round: 3, seed: 7 });
    const encode = (stage: Stage, values: Float32Array): Payload =>
      uploadOf(stage).encode(dense(values), context);
    const roundTrip = (stage: Stage, values: Float32Array): Float32Array =>
      valuesOf(uploadOf(stage).decode(encode(stage, values), context));

    it('clip brings any update into the ball and leaves those inside to the bit', () => {
      const part = fc.tuple(fc.double({ min: -1, max: 1, noNaN: true }), fc.integer({ min: -45, max: 38 }));
      fc.assert(
        fc.property(
          fc.array(part, { minLength: 1, maxLength: 50 }),
          fc.double({ min: 1e-30, max: 1e38, noNaN: true }),
          (parts, maxNorm) => {
            const before = Float32Array.from(parts, ([v, e]) => v * Number(`1e${e}`));
            const after = valuesOf(encode(clip({ maxNorm }), before.slice()));
            if (exactNorm(before) <= maxNorm * (1 - 1e-12)) expect(bitsOf(after)).toEqual(bitsOf(before));
            else expect(exactNorm(after)).toBeLessThanOrEqual(maxNorm);
          },
        ),
        { seed: 9, numRuns: 300 },
      );
    });

    it('clip keeps the direction: (3, 4) at bound 1 is (0.6, 0.8) within float32 rounding', () => {
      const [x, y] = valuesOf(encode(clip({ maxNorm: 1 }), Float32Array.of(3, 4)));
      expect(Math.abs(x - 0.6)).toBeLessThan(3e-7);
      expect(Math.abs(y - 0.8)).toBeLessThan(3e-7);
    });

    it.each(['clip', 'int8', 'f16', 'bf16'])('%s rejects what is not finite, by the client', (name) => {
      const stage = name === 'clip' ? clip({ maxNorm: 1 }) : quantize({ format: name as 'int8' });
      for (const bad of [Number.NaN, Infinity, -Infinity])
        expect(() => encode(stage, Float32Array.of(1, bad, 2))).toThrow(/update of client 12 holds NaN/);
    });

    it.each([
      [1, 16],
      [256, 256],
      [257, 256],
      [1000, 64],
      [5, 65_536],
    ])('int8 of %i values in blocks of %i costs a byte each and four a block', (n, block) => {
      const payload = encode(quantize({ format: 'int8', block }), distinct(n));
      expect(payload.bytes).toBe(n + 4 * Math.ceil(n / block));
    });

    it('half formats cost two bytes a value', () => {
      for (const format of ['f16', 'bf16'] as const)
        expect(encode(quantize({ format }), distinct(33)).bytes).toBe(66);
    });

    it('int8 comes back within half a step of its block, stochastic within a whole one', () => {
      const x = distinct(300, 0.01);
      for (const [rounding, steps] of [
        ['nearest', 0.5],
        ['stochastic', 1],
      ] as const) {
        const y = roundTrip(quantize({ format: 'int8', block: 100, rounding }), x.slice());
        x.forEach((value, i) => {
          const block = Math.floor(i / 100) * 100;
          const step = Math.max(...x.subarray(block, block + 100).map(Math.abs)) / 127;
          expect(Math.abs(y[i] - value)).toBeLessThanOrEqual(steps * step * (1 + 1e-5));
        });
      }
    });

    it('half formats come back within their precision', () => {
      const x = distinct(100, 0.37);
      // Half a unit in the last place relative: 11 and 8 significant bits.
      for (const [format, relative] of [
        ['f16', 2 ** -11],
        ['bf16', 2 ** -8],
      ] as const)
        roundTrip(quantize({ format }), x.slice()).forEach((value, i) => {
          expect(Math.abs(value - x[i])).toBeLessThanOrEqual(relative * Math.abs(x[i]));
        });
    });

    it('stochastic rounding is unbiased: the mean over rounds tends to the value', () => {
      // 4000 roundings, each with variance at most step^2 / 4: 5 standard errors are 0.04 steps (false alarm 6e-7).
      const x = new Float32Array(4001).fill(0.3);
      x[4000] = 127;
      const y = roundTrip(quantize({ format: 'int8', block: 65_536, rounding: 'stochastic' }), x);
      const mean = y.subarray(0, 4000).reduce((sum, v) => sum + v, 0) / 4000;
      expect(Math.abs(mean - 0.3)).toBeLessThan(0.04);
      expect(new Set(y.subarray(0, 4000)).size).toBe(2);
    });

    it('stochastic rounding repeats at its address and differs at another client', () => {
      const stage = quantize({ format: 'int8', rounding: 'stochastic' });
      const x = distinct(200);
      const at = (client: number) =>
        bitsOf(
          valuesOf(
            uploadOf(stage).decode(uploadOf(stage).encode(dense(x.slice()), { ...context, client }), context),
          ),
        );
      expect(at(1)).toEqual(at(1));
      expect(at(1)).not.toEqual(at(2));
    });

    it('f16 rejects a value that it does not reach instead of sending an infinity', () => {
      for (const rounding of ['nearest', 'stochastic'] as const) {
        expect(() => encode(quantize({ format: 'f16', rounding }), Float32Array.of(1, -65_505))).toThrow(
          UpdateRejectedError,
        );
        expect([...roundTrip(quantize({ format: 'f16', rounding }), Float32Array.of(65_504))]).toEqual([
          65_504,
        ]);
      }
      expect(() => encode(quantize({ format: 'bf16' }), Float32Array.of(3.4e38))).toThrow(
        UpdateRejectedError,
      );
    });

    it('local noise is on every value sent and on no other, with the stated deviation', () => {
      const n = 20_000;
      const noise = gaussianNoise({
        where: 'client',
        noiseMultiplier: 1.5,
        maxNorm: 0.4,
        source: 'simulation',
      });
      const sent = distinct(n, 1e-6);
      const noised = valuesOf(encode(noise, sent.slice()));
      expect(noised).toHaveLength(n);
      const z = [...noised].map((value, i) => (value - sent[i]) / 0.6);
      const mean = z.reduce((sum, v) => sum + v, 0) / n;
      const stddev = Math.sqrt(z.reduce((sum, v) => sum + v * v, 0) / n);
      expect(Math.abs(mean)).toBeLessThan(5 / Math.sqrt(n));
      expect(Math.abs(stddev - 1)).toBeLessThan(3 / Math.sqrt(2 * n));
      expect(z.every((v) => v !== 0)).toBe(true);
    });

    it('local noise depends on seed, round and client alone', () => {
      const noise = gaussianNoise({ where: 'client', noiseMultiplier: 1, maxNorm: 1, source: 'simulation' });
      const at = (overrides: object): number[] =>
        bitsOf(valuesOf(uploadOf(noise).encode(dense(new Float32Array(8)), { ...context, ...overrides })));
      const here = at({});
      at({ client: 5 });
      expect(at({})).toEqual(here);
      for (const other of [{ client: 13 }, { round: 4 }, { seed: 8 }]) expect(at(other)).not.toEqual(here);
    });

    it('secure local noise never repeats', () => {
      const noise = gaussianNoise({ where: 'client', noiseMultiplier: 1, maxNorm: 1, source: 'secure' });
      const at = (): number[] => bitsOf(valuesOf(encode(noise, new Float32Array(8))));
      expect(at()).not.toEqual(at());
    });

    it('clip, noise and quantize want float32 values before them', () => {
      const coded = encode(quantize({ format: 'f16' }), Float32Array.of(1));
      const stages = [
        clip({ maxNorm: 1 }),
        gaussianNoise({ where: 'client', noiseMultiplier: 1, maxNorm: 1, source: 'simulation' }),
        quantize({ format: 'int8' }),
      ];
      for (const stage of stages)
        expect(() => uploadOf(stage).encode(coded, context), stage.name).toThrow(InvalidArgumentError);
    });
  });

describe('options of upload stages', () => {
  const noise = { where: 'client', noiseMultiplier: 1, maxNorm: 1, source: 'simulation' } as const;
  const refused: [string, () => unknown][] = [
    ['maxNorm', () => clip({ maxNorm: 0 })],
    ['maxNorm', () => clip({ maxNorm: -1 })],
    ['maxNorm', () => clip({ maxNorm: Number.NaN })],
    ['maxNorm', () => clip({ maxNorm: Infinity })],
    ['maxNorm', () => clip({ maxNorm: 1e-40 })],
    ['block', () => quantize({ format: 'int8', block: 15 })],
    ['block', () => quantize({ format: 'int8', block: 65_537 })],
    ['block', () => quantize({ format: 'int8', block: 20.5 })],
    ['format', () => quantize({ format: 'int4' as 'int8' })],
    ['rounding', () => quantize({ format: 'int8', rounding: 'up' as 'nearest' })],
    ['noiseMultiplier', () => gaussianNoise({ ...noise, noiseMultiplier: 0 })],
    ['noiseMultiplier', () => gaussianNoise({ ...noise, noiseMultiplier: Infinity })],
    ['maxNorm', () => gaussianNoise({ ...noise, maxNorm: 0 })],
    ['maxNorm', () => gaussianNoise({ ...noise, maxNorm: Number.NaN })],
    ['noiseCohortSize', () => gaussianNoise({ ...noise, where: 'server', noiseCohortSize: 0 })],
    ['where', () => gaussianNoise({ ...noise, where: 'both' as 'client' })],
    ['source', () => gaussianNoise({ ...noise, source: 'math-random' as 'secure' })],
  ];
  it.each(refused)('a wrong %s is named', (argument, make) => {
    expect(make).toThrow(InvalidArgumentError);
    expect(make).toThrow(new RegExp(`${argument} must be`));
  });
});

describe('central noise', () => {
  const noise = { noiseMultiplier: 2, maxNorm: 0.5, source: 'simulation' } as const;

  it('on the mean is multiplier times bound over the cohort', () => {
    expect(centralNoiseStddev(noise, 100)).toBe(0.01);
  });

  it('of a large cohort gives a small one the same signal-to-noise: z S c / C on the sum', () => {
    const stddev = centralNoiseStddev({ ...noise, noiseCohortSize: 1000 }, 100);
    expect(stddev).toBe(0.001);
    expect(stddev * 100).toBeCloseTo((2 * 0.5 * 100) / 1000, 12);
  });

  it('refuses an empty cohort', () => {
    expect(() => centralNoiseStddev(noise, 0)).toThrow(InvalidArgumentError);
  });
});
