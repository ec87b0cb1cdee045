import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { InvalidArgumentError } from '../../src/errors.js';
import {
  decodePositions,
  encodePositions,
  type PositionCode,
  PositionsFormatError,
  positionCodes,
} from '../../src/update/positions.js';

const range = (from: number, to: number, step = 1): number[] =>
  Array.from({ length: Math.ceil((to - from) / step) }, (_, i) => from + step * i);

/** Bytes of each code by the formulas of the table, from the set alone. */
function formulaBytes(kept: readonly number[], units: number): Record<PositionCode, number> {
  const varint = (value: number): number =>
    value < 128 ? 1 : value < 16_384 ? 2 : value < 2_097_152 ? 3 : 4;
  const inSet = new Set(kept);
  const runs: number[] = [];
  let state = true;
  let length = 0;
  for (let i = 0; i < units; i++) {
    if (inSet.has(i) !== state) {
      runs.push(length);
      state = !state;
      length = 0;
    }
    length++;
  }
  if (units > 0) runs.push(length);
  return {
    bitmap: Math.ceil(units / 8),
    list: kept.length * (units <= 65_536 ? 2 : 4),
    gaps: kept.reduce((sum, p, i) => sum + varint(p - (i === 0 ? -1 : kept[i - 1]) - 1), 0),
    runs: runs.reduce((sum, run) => sum + varint(run), 0),
  };
}

const cases: [name: string, kept: number[], units: number, code: PositionCode, bytes: number][] = [
  ['nothing of nothing', [], 0, 'bitmap', 0],
  ['nothing of 100', [], 100, 'list', 0],
  ['all of 100: one run', range(0, 100), 100, 'runs', 1],
  ['one of 1000 near the start', [5], 1000, 'gaps', 1],
  ['one of 1000 far away: two bytes in a list', [900], 1000, 'list', 2],
  ['one of 100,000 at the end', [99_999], 100_000, 'gaps', 3],
  ['every other one of 768: one bit each', range(0, 768, 2), 768, 'bitmap', 96],
  ['one in 20 of 2000: a byte for each', range(3, 2000, 20), 2000, 'gaps', 100],
  ['a cluster of 1000 in 10,000: an empty run and three of two bytes', range(4000, 5000), 10_000, 'runs', 7],
];

describe('position codes', () => {
  it.each(cases)('%s', (_name, kept, units, code, bytes) => {
    const encoded = encodePositions(Uint32Array.from(kept), units);
    expect({ code: encoded.code, bytes: encoded.bytes.length }).toEqual({ code, bytes });
    expect([...decodePositions(encoded, units)]).toEqual(kept);
  });

  it('takes the smallest of the four sizes that the formulas give, the first on ties, and gives the set back', () => {
    const sets = fc
      .integer({ min: 0, max: 70_000 })
      .chain((units) =>
        fc.tuple(
          fc.uniqueArray(fc.nat(Math.max(0, units - 1)), { maxLength: units === 0 ? 0 : 200 }),
          fc.constant(units),
        ),
      );
    fc.assert(
      fc.property(sets, ([unsorted, units]) => {
        const kept = unsorted.sort((a, b) => a - b);
        const sizes = formulaBytes(kept, units);
        const least = Math.min(...Object.values(sizes));
        const encoded = encodePositions(Uint32Array.from(kept), units);
        expect(encoded.bytes.length).toBe(least);
        expect(encoded.code).toBe(positionCodes.find((code) => sizes[code] === least));
        expect([...decodePositions(encoded, units)]).toEqual(kept);
      }),
      { seed: 5, numRuns: 150 },
    );
  });

  it('decode gives a sorted set below the number of units or a typed error, whatever the bytes', () => {
    const bytes = fc.oneof(
      fc.uint8Array({ maxLength: 300 }),
      // Varints that do not end, and long chains of continuation bytes.
      fc.array(fc.constantFrom(0, 1, 0x7f, 0x80, 0xff), { maxLength: 300 }).map((b) => Uint8Array.from(b)),
    );
    let decoded = 0;
    fc.assert(
      fc.property(fc.constantFrom(...positionCodes), bytes, fc.nat(3000), (code, input, units) => {
        let kept: Uint32Array;
        try {
          kept = decodePositions({ code, bytes: input }, units);
        } catch (error) {
          expect(error).toBeInstanceOf(PositionsFormatError);
          return;
        }
        decoded++;
        expect(kept.every((p, i) => p < units && (i === 0 || p > kept[i - 1]))).toBe(true);
      }),
      { seed: 6, numRuns: 2000 },
    );
    expect(decoded).toBeGreaterThan(10);
  });

  it.each<[string, PositionCode, number[], number]>([
    ['a bit beyond the last unit', 'bitmap', [0x80], 7],
    ['a bitmap of another length', 'bitmap', [0, 0], 8],
    ['half a list entry', 'list', [1], 10],
    ['a list that goes back', 'list', [2, 0, 1, 0], 10],
    ['a list with one entry twice', 'list', [2, 0, 2, 0], 10],
    ['a list entry out of range', 'list', [10, 0], 10],
    ['a gap out of range', 'gaps', [10], 10],
    ['a varint that does not end', 'gaps', [0x80], 10],
    ['a varint above 32 bits', 'gaps', [0xff, 0xff, 0xff, 0xff, 0x7f], 10],
    ['a varint of 200 bytes worth nothing', 'gaps', [...Array<number>(200).fill(0x80), 0], 10],
    ['a varint of 200 bytes', 'gaps', [...Array<number>(200).fill(0x80), 1], 10],
    ['a varint with leading zeros', 'gaps', [0x81, 0x80, 0], 10],
    ['more gaps than units', 'gaps', [0, 0, 0], 2],
    ['runs that stop early', 'runs', [4], 10],
    ['runs that go beyond', 'runs', [4, 7], 10],
    ['an empty run in the middle', 'runs', [4, 0, 6], 10],
    ['an empty run at the end', 'runs', [10, 0], 10],
    ['an unknown code', 'elias' as PositionCode, [], 10],
  ])('refuses %s', (_name, code, bytes, units) => {
    expect(() => decodePositions({ code, bytes: Uint8Array.from(bytes) }, units)).toThrow(
      PositionsFormatError,
    );
  });

  it('refuses to encode what is no sorted set', () => {
    for (const kept of [[3, 2], [2, 2], [10]])
      expect(() => encodePositions(Uint32Array.from(kept), 10)).toThrow(InvalidArgumentError);
  });
});
