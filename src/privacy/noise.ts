/**
 * Two sources of Gaussian noise that do not share a type. `SimRng` is seeded and addressed: a simulation repeats, and carries no
 * guarantee. `SecureNoise` is keyed by the operating system and cannot be seeded: what a real release needs.
 */
import { InvalidArgumentError } from '../errors.js';
import { type RandomAddress, randomKey } from '../kernels/address.js';
import type { Kernels } from '../kernels/kernels.js';
import { normalPairF64 } from '../kernels/reference/normal.js';

/** Seeded noise for simulation; `guarantee: 'none'`. */
export interface SimRng {
  readonly guarantee: 'none';
  /**
   * x += stddev * z in place, z standard normal at `address` (24-bit uniforms: never for a release). The same address gives the
   * same z, whatever was drawn before.
   *
   * @throws {InvalidArgumentError} for a `stddev` that is not finite or below 0; at 0, x stays as it is to the bit.
   */
  addNormal(x: Float32Array, stddev: number, address: RandomAddress): void;
}

/** Noise from a cryptographic generator. */
export interface SecureNoise {
  readonly guarantee: 'cryptographic';
  /**
   * x += stddev * z in place, z standard normal from 53-bit uniforms; the result is rounded to float32 once. No z comes twice.
   *
   * @throws {InvalidArgumentError} for a `stddev` that is not finite or below 0; at 0, x stays as it is to the bit.
   */
  addNormal(x: Float32Array, stddev: number): void;
}

/** @param seed - of the run, 0 to 2^64 - 1. */
export function createSimRng(kernels: Kernels, seed: number | string | bigint): SimRng {
  return {
    guarantee: 'none',
    addNormal(x, stddev, address) {
      checkStddev(stddev);
      if (stddev === 0) return;
      const { key0, key1 } = randomKey(seed, address);
      kernels.addNormalF32(x, stddev, key0, key1, 0, 0, 0, 0);
    },
  };
}

/** Most that one call of getRandomValues gives, in words. */
const kWordsPerDraw = 16_384;

/** A source that nobody can seed; one serves a whole run. */
export function createSecureNoise(): SecureNoise {
  return {
    guarantee: 'cryptographic',
    addNormal(x, stddev) {
      checkStddev(stddev);
      if (stddev === 0) return;
      const words = new Uint32Array(Math.min(kWordsPerDraw, 4 * Math.ceil(x.length / 2)));
      let used = words.length;
      try {
        for (let i = 0; i < x.length; i += 2) {
          if (used === words.length) {
            globalThis.crypto.getRandomValues(words);
            used = 0;
          }
          const [first, second] = normalPairF64([
            words[used],
            words[used + 1],
            words[used + 2],
            words[used + 3],
          ]);
          used += 4;
          x[i] = x[i] + stddev * first;
          if (i + 1 < x.length) x[i + 1] = x[i + 1] + stddev * second;
        }
      } finally {
        // Noise that stays in memory could be subtracted from a release.
        words.fill(0);
      }
    },
  };
}

function checkStddev(stddev: number): void {
  if (!(stddev >= 0 && Number.isFinite(stddev)))
    throw new InvalidArgumentError('addNormal', 'stddev', 'a finite number of at least 0', stddev);
}
