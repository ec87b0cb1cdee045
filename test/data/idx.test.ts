import { gzipSync } from 'node:zlib';
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { DataFormatError } from '../../src/data/errors.js';
import { parseIdx, readIdx } from '../../src/data/idx.js';

/** IDX bytes written by the format's own description, independently of the reader. */
function idx(shape: number[], data: number[], type = 0x08): Uint8Array {
  const axes = shape.flatMap((n) => [(n >>> 24) & 255, (n >>> 16) & 255, (n >>> 8) & 255, n & 255]);
  return Uint8Array.from([0, 0, type, shape.length, ...axes, ...data]);
}
const file = 'images-idx3-ubyte';
const good = idx([2, 1, 3], [1, 2, 3, 4, 5, 6]);

describe('parseIdx', () => {
  it('reads shape and values', () => {
    const { shape, data } = parseIdx(good, { file, axes: 3 });
    expect(shape).toEqual([2, 1, 3]);
    expect(Array.from(data)).toEqual([1, 2, 3, 4, 5, 6]);
  });

  it('reads a view that does not begin at its buffer', () => {
    const padded = new Uint8Array(good.length + 3);
    padded.set(good, 3);
    expect(parseIdx(padded.subarray(3), { file }).shape).toEqual([2, 1, 3]);
  });

  it.each([
    ['truncated', good.subarray(0, 20), /truncated.*\[2, 1, 3\].*takes 22 bytes, the file has 20/],
    ['oversized', Uint8Array.from([...good, 0]), /oversized.*takes 22 bytes, the file has 23/],
    ['a cut header', good.subarray(0, 9), /header of 3 axes takes 16 bytes, the file has 9/],
    ['empty', new Uint8Array(0), /at least 4 bytes, this one has 0/],
    ['bad magic', Uint8Array.of(0x89, 0x50, 0x4e, 0x47, 0), /bad magic.*received 89 50 4e 47/],
    ['an unknown type', idx([1], [0], 0x0a), /bad magic/],
    ['floats', idx([1], [0, 0, 0, 0], 0x0d), /32-bit floats, expected unsigned bytes/],
    ['swapped files', idx([6], [1, 2, 3, 4, 5, 6]), /has 1 axes, expected 3/],
    ['no examples', idx([0, 28, 28], []), /is empty/],
    ['a length past 2^53', idx([0xffffffff, 0xffffffff, 0xffffffff], [1]), /more values than any file holds/],
    ['a length of 16 GB', idx([0xffffffff, 2, 2], [1]), /takes 17179869196 bytes, the file has 17/],
  ])('refuses %s with file, bytes and mend', (_, bytes, message) => {
    const attempt = () => parseIdx(bytes, { file, axes: 3 });
    expect(attempt).toThrow(DataFormatError);
    expect(attempt).toThrow(message);
    expect(attempt).toThrow(/images-idx3-ubyte[\s\S]*Fix: \S/);
  });

  it('never fails in another way, whatever the bytes', () => {
    const header = fc.tuple(fc.constantFrom(0, 1), fc.constantFrom(8, 9, 13, 200), fc.nat(255));
    fc.assert(
      fc.property(header, fc.uint8Array({ maxLength: 64 }), ([zero, type, axes], rest) => {
        const bytes = Uint8Array.from([zero, 0, type, axes, ...rest]);
        try {
          const { shape, data } = parseIdx(bytes, { file });
          expect(data.length).toBe(shape.reduce((a, b) => a * b, 1));
        } catch (error) {
          expect(error).toBeInstanceOf(DataFormatError);
        }
      }),
      { seed: 1, numRuns: 500 },
    );
  });
});

describe('readIdx', () => {
  it('reads plain and gzip alike', async () => {
    for (const bytes of [good, gzipSync(good)]) {
      const { shape, data } = await readIdx(bytes, { file, axes: 3 });
      expect(shape).toEqual([2, 1, 3]);
      expect(Array.from(data)).toEqual([1, 2, 3, 4, 5, 6]);
    }
  });

  it('reads a gzip larger than one chunk of the inflater', async () => {
    const values = Array.from({ length: 300_000 }, (_, i) => (i * 31 + (i >> 8)) & 255);
    const { data } = await readIdx(gzipSync(idx([300, 1000], values)), { file });
    expect(data).toEqual(Uint8Array.from(values));
  });

  it.each([
    ['truncated inside', gzipSync(good.subarray(0, 20)), /truncated.*takes 22 bytes, the file has 20/],
    ['cut short', gzipSync(good).subarray(0, 24), /do not inflate as gzip/],
    [
      'oversized inside',
      gzipSync(Uint8Array.from([...good, 0, 0])),
      /oversized.*takes 22 bytes.*at least 24/,
    ],
    ['an inflated header cut short', gzipSync(good.subarray(0, 9)), /header of 3 axes takes 16 bytes/],
    ['bad magic inside', gzipSync(Uint8Array.from({ length: 40 }, () => 7)), /bad magic/],
    ['a claim of 16 GB', gzipSync(idx([0xffffffff, 2, 2], [1])), /more than \d+ compressed bytes can hold/],
  ])('refuses a gzip that is %s', async (_, bytes, message) => {
    await expect(readIdx(bytes, { file, axes: 3 })).rejects.toThrow(DataFormatError);
    await expect(readIdx(bytes, { file, axes: 3 })).rejects.toThrow(message);
  });

  it('stops a bomb at the length its header claims', async () => {
    const bomb = gzipSync(idx([10], new Array(5_000_000).fill(0)));
    await expect(readIdx(bomb, { file })).rejects.toThrow(/oversized.*takes 18 bytes/);
  });
});
