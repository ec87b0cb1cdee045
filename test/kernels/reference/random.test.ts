import { describe, expect, it } from 'vitest';
import { normalPairF32, normalPairF64 } from '../../../src/kernels/reference/normal.js';
import { philox4x32 } from '../../../src/kernels/reference/philox.js';
import * as random from '../../../src/kernels/reference/random.js';
import { golden, kolmogorovSmirnov, mulberry32, normalDistribution } from './golden.js';

interface PhiloxFile {
  cases: { rounds: number; counter: string[]; key: string[]; output: string[] }[];
  box_muller: { cases: { counter: string[]; key: string[]; z0: number; z1: number }[] };
}
const file = golden<PhiloxFile>('rng/philox4x32.json');
const hex = (word: string) => Number.parseInt(word, 16);
type Four = [number, number, number, number];

// Statistical tests have fixed seeds: they pass always or never. Bounds are such that of 10,000 seeds about one would fail.
const address = [0x1234, 0x5678, 9, 0, 1, 2] as const;
/** Kolmogorov's bound at a false-alarm rate of 1e-4: sqrt(ln(2 / 1e-4) / 2). */
const kKolmogorov = 2.2252;
/** Two-sided normal quantile at 1e-4. */
const kSigmas = 3.89;

describe('Philox4x32', () => {
  it('gives the published and derived blocks', () => {
    for (const { rounds, counter, key, output } of file.cases) {
      const [c0, c1, c2, c3] = counter.map(hex);
      expect(philox4x32(c0, c1, c2, c3, hex(key[0]), hex(key[1]), rounds)).toEqual(output.map(hex));
    }
  });

  it('is addressed: a stream from block b equals the rest of a stream from block 0, over the carry too', () => {
    const whole = new Uint32Array(40);
    random.randomBitsU32(whole, 1, 2, 0xfffffffc, 6, 3, 4);
    const rest = new Uint32Array(17);
    random.randomBitsU32(rest, 1, 2, 1, 7, 3, 4);
    expect([...rest]).toEqual([...whole.subarray(20, 37)]);
    expect([...whole.subarray(20, 24)]).toEqual(philox4x32(1, 7, 3, 4, 1, 2));
  });
});

describe('normals', () => {
  it('in float64 are within 4e-15 of the golden Box-Muller pairs', () => {
    for (const { counter, key, z0, z1 } of file.box_muller.cases) {
      const [c0, c1, c2, c3] = counter.map(hex);
      const [a, b] = normalPairF64(philox4x32(c0, c1, c2, c3, hex(key[0]), hex(key[1])));
      expect(Math.abs(a / z0 - 1)).toBeLessThan(4e-15);
      expect(Math.abs(b / z1 - 1)).toBeLessThan(4e-15);
    }
  });

  it('in float64 follow the formula of the standard library, at the ends of the uniforms too', () => {
    const next = mulberry32(11);
    const word = () => Math.floor(next() * 0x100000000);
    const blocks: Four[] = Array.from({ length: 2000 }, () => [word(), word(), word(), word()]);
    const top = 0xffffffff;
    blocks.push([0, 0, 0, 0], [0, 0, top, top], [top, top, 0, 0], [top, top, top, top]);
    for (const block of blocks) {
      const u = (high: number, low: number) => ((high >>> 5) * 2 ** 26 + (low >>> 6) + 0.5) / 2 ** 53;
      const radius = Math.sqrt(-2 * Math.log(u(block[0], block[1])));
      const angle = 2 * Math.PI * u(block[2], block[3]);
      const [a, b] = normalPairF64(block);
      expect(Math.abs(a - radius * Math.cos(angle))).toBeLessThanOrEqual(3e-15 * radius);
      expect(Math.abs(b - radius * Math.sin(angle))).toBeLessThanOrEqual(3e-15 * radius);
    }
  });

  it('in float32 are within 5 ulp of the radius of the exact pair', () => {
    const next = mulberry32(12);
    const word = () => Math.floor(next() * 0x100000000);
    const pairs = Array.from({ length: 5000 }, () => [word(), word()]);
    for (const w1 of [0, 0x3fffffff, 0x40000000, 0x7fffffff, 0x80000000, 0xbfffffff, 0xc0000000, 0xffffffff])
      pairs.push([0, w1], [0xffffffff, w1], [0xfffffe00, w1], [0xb504f300, w1], [0xb504f400, w1]);
    for (const [w0, w1] of pairs) {
      const radius = Math.sqrt(-2 * Math.log(((w0 >>> 8) + 1) * 2 ** -24));
      // Quadrant, then the next 22 bits as a signed number of steps, half a step off zero.
      const steps = (w1 << 2) >> 10;
      const angle = ((w1 >>> 30) + (steps + 0.5) * 2 ** -22) * (Math.PI / 2);
      const [a, b] = normalPairF32(w0, w1, 1);
      expect(Math.abs(a - radius * Math.cos(angle))).toBeLessThanOrEqual(5 * 2 ** -24 * radius);
      expect(Math.abs(b - radius * Math.sin(angle))).toBeLessThanOrEqual(5 * 2 ** -24 * radius);
    }
  });

  const n = 200_000;
  const f32 = new Float32Array(n);
  random.normalF32(f32, 1, ...address);
  const f64 = new Float64Array(n);
  random.normalF64(f64, 1, ...address);
  for (const [name, sample] of [
    ['float32', Float64Array.from(f32)],
    ['float64', f64],
  ] as const)
    it(`in ${name} have the moments and the distribution of a standard normal`, () => {
      const moment = (k: number) => sample.reduce((sum, z) => sum + z ** k, 0) / n;
      // Var z^k = E z^2k - (E z^k)^2: 1, 2, 15, 96 for k = 1 to 4.
      [0, 1, 0, 3].forEach((expected, k) => {
        const sigma = Math.sqrt([1, 2, 15, 96][k] / n);
        expect(Math.abs(moment(k + 1) - expected)).toBeLessThan(kSigmas * sigma);
      });
      expect(kolmogorovSmirnov(sample, normalDistribution)).toBeLessThan(kKolmogorov / Math.sqrt(n));
      const lagged = (lag: number) => sample.subarray(lag).reduce((sum, z, i) => sum + z * sample[i], 0) / n;
      for (const lag of [1, 2, 3, 4]) expect(Math.abs(lagged(lag))).toBeLessThan(kSigmas / Math.sqrt(n));
    });

  it('scale with the standard deviation and add in place', () => {
    const wide = new Float32Array(1001);
    random.normalF32(wide, 4, ...address);
    wide.forEach((z, i) => {
      expect(z).toBe(f32[i] * 4);
    });
    const x = new Float32Array(1001).fill(1);
    random.addNormalF32(x, 4, ...address);
    x.forEach((v, i) => {
      expect(v).toBe(Math.fround(1 + wide[i]));
    });
  });
});

describe('uniforms, coins and permutations', () => {
  const n = 100_000;

  it('uniforms are multiples of 2^-24 in [0, 1) with the uniform distribution', () => {
    const out = new Float32Array(n);
    random.uniformF32(out, ...address);
    expect(out.every((u) => u >= 0 && u < 1 && Number.isInteger(u * 2 ** 24))).toBe(true);
    expect(kolmogorovSmirnov(out, (u) => u)).toBeLessThan(kKolmogorov / Math.sqrt(n));
  });

  it('coins fall with their probability', () => {
    const out = new Uint8Array(n);
    for (const p of [0.001, 0.3, 0.5]) {
      random.bernoulliU8(out, p, ...address);
      const heads = out.reduce((sum, coin) => sum + coin, 0);
      expect(Math.abs(heads - n * p)).toBeLessThan(kSigmas * Math.sqrt(n * p * (1 - p)));
    }
    random.bernoulliU8(out, 1, ...address);
    expect(out.every((coin) => coin === 1)).toBe(true);
    random.bernoulliU8(out, 0, ...address);
    expect(out.every((coin) => coin === 0)).toBe(true);
  });

  it('a permutation holds every index once, and every order of three comes equally often', () => {
    const out = new Uint32Array(10_007);
    random.permutationU32(out, 1, 2, 3, 4);
    expect([...out].sort((a, b) => a - b)).toEqual([...out.keys()]);
    const counts = new Map<string, number>();
    const three = new Uint32Array(3);
    const trials = 12_000;
    for (let step = 0; step < trials; step++) {
      random.permutationU32(three, 1, 2, step, 4);
      counts.set(three.join(), (counts.get(three.join()) ?? 0) + 1);
    }
    const expected = trials / 6;
    const chi2 = [...counts.values()].reduce((sum, count) => sum + (count - expected) ** 2 / expected, 0);
    expect(counts.size).toBe(6);
    expect(chi2).toBeLessThan(25.75); // 1e-4 of chi-squared with 5 degrees of freedom lies above
  });
});
