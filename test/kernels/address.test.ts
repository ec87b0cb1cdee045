import { describe, expect, it } from 'vitest';
import { InvalidArgumentError } from '../../src/errors.js';
import { Purpose, parseSeed, randomKey } from '../../src/kernels/address.js';

describe('seeds', () => {
  it('are integers from 0 to 2^64 - 1, as text above 2^53', () => {
    expect(parseSeed(0)).toBe(0n);
    expect(parseSeed(' 18446744073709551615 ')).toBe(2n ** 64n - 1n);
    expect(parseSeed(7n)).toBe(7n);
    for (const seed of [-1, 1.5, 2 ** 53, NaN, '', '-1', '0x10', '1e3', 2n ** 64n, '18446744073709551616'])
      expect(() => parseSeed(seed), String(seed)).toThrow(InvalidArgumentError);
  });
});

describe('the key of an address', () => {
  it('is words 0 and 1 of the Philox block at (purpose, round, entity) under the seed', () => {
    // Known answers of Random123 for Philox4x32-10: counter and key of zeros.
    expect(randomKey(0, { purpose: 'init' })).toEqual({ key0: 0x6627e8d5, key1: 0xe169c58d });
    expect(Purpose.init).toBe(0);
  });

  it('differs wherever an address differs', () => {
    const keys = [0, 1, '18446744073709551615'].flatMap((seed) =>
      (['init', 'noise'] as const).flatMap((purpose) =>
        [0, 1, 0xffffffff].flatMap((round) =>
          [0, 1, 2 ** 32, 2 ** 53 - 1, 2n ** 64n - 1n].map((entity) => {
            const { key0, key1 } = randomKey(seed, { purpose, round, entity });
            return `${key0} ${key1}`;
          }),
        ),
      ),
    );
    expect(new Set(keys).size).toBe(90);
  });

  it('is refused for an address that would be that of another stream', () => {
    for (const round of [-1, 0.5, 2 ** 32, NaN])
      expect(() => randomKey(1, { purpose: 'noise', round })).toThrow(InvalidArgumentError);
    for (const entity of [-1, 0.5, 2 ** 53, -1n, 2n ** 64n])
      expect(() => randomKey(1, { purpose: 'noise', entity })).toThrow(InvalidArgumentError);
    expect(() => randomKey(1, { purpose: 'toString' as 'noise' })).toThrow(InvalidArgumentError);
  });
});
