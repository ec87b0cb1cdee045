import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import { channelStatistics, readCifar10, readCifar10Part } from '../../src/data/cifar.js';
import { loadCifar10 } from '../../src/data/cifar.node.js';
import { dataset, gatherF32 } from '../../src/data/dataset.js';
import { DataFormatError, DataNotFoundError, LabelRangeError } from '../../src/data/errors.js';

/** Records whose red, green and blue planes are constant. */
function batch(file: string, records: [label: number, red: number, green: number, blue: number][]) {
  const bytes = new Uint8Array(records.length * 3073);
  records.forEach(([label, ...planes], r) => {
    bytes[r * 3073] = label;
    planes.forEach((value, c) => {
      bytes.fill(value, r * 3073 + 1 + c * 1024, r * 3073 + 1 + (c + 1) * 1024);
    });
  });
  return { file, bytes };
}
const one = batch('data_batch_1.bin', [
  [3, 0, 10, 100],
  [9, 2, 30, 200],
]);

describe('readCifar10Part', () => {
  it('reads labels and planes of several files in order', () => {
    const two = batch('data_batch_2.bin', [
      [1, 7, 7, 7],
      [0, 8, 8, 8],
    ]);
    const data = readCifar10Part('cifar', [one, two], 2);
    expect(Array.from(data.y)).toEqual([3, 9, 1, 0]);
    expect(data.shape).toEqual([3, 32, 32]);
    expect([data.x[0], data.x[1024], data.x[2048], data.x[3072], data.x[2 * 3072]]).toEqual([
      0, 10, 100, 2, 7,
    ]);
  });

  it('names file, expected and actual bytes when the length is wrong', () => {
    const cut = { file: 'test_batch.bin', bytes: one.bytes.subarray(1) };
    expect(() => readCifar10Part('cifar', [cut], 2)).toThrow(DataFormatError);
    expect(() => readCifar10Part('cifar', [cut], 2)).toThrow(
      /test_batch\.bin: truncated.*take 6146 bytes, the file has 6145/,
    );
    expect(() => readCifar10Part('cifar', [one], 1)).toThrow(/oversized.*take 3073 bytes, the file has 6146/);
    expect(() => readCifar10Part('cifar', [one])).toThrow(/take 30730000 bytes/);
  });

  it('refuses a label above 9', () => {
    expect(() => readCifar10Part('cifar', [batch('b', [[10, 0, 0, 0]])], 1)).toThrow(LabelRangeError);
  });
});

describe('channelStatistics', () => {
  it('is the closed form for two values per channel', () => {
    // Half a, half b: mean (a + b) / 2, deviation |a - b| / 2.
    const { mean, std } = channelStatistics(readCifar10Part('cifar', [one], 2));
    [1, 20, 150].forEach((m, c) => {
      expect(mean[c]).toBeCloseTo(m / 255, 14);
    });
    [1, 10, 50].forEach((s, c) => {
      expect(std[c]).toBeCloseTo(s / 255, 14);
    });
  });

  it('refuses a constant channel and float data', () => {
    expect(() => channelStatistics(readCifar10Part('c', [batch('b', [[0, 1, 1, 1]])], 1))).toThrow(
      /constant/,
    );
    const floats = dataset({ x: new Float32Array(3), shape: [3], y: [0], classes: 1 });
    expect(() => channelStatistics(floats)).toThrow(DataFormatError);
  });

  it('normalises both parts with the training part', () => {
    const { train, test } = readCifar10(
      [one],
      [
        batch('test_batch.bin', [
          [0, 1, 20, 150],
          [0, 3, 40, 250],
        ]),
      ],
      2,
    );
    const normalised = gatherF32(train, [0, 1]);
    expect(normalised[0]).toBeCloseTo(-1, 5);
    expect(normalised[3072 + 2048]).toBeCloseTo(1, 5);
    expect(gatherF32(test, [0])[1024]).toBeCloseTo(0, 5);
    expect(gatherF32(test, [1])[1024]).toBeCloseTo(2, 5);
  });
});

describe('loadCifar10', () => {
  it('says what it looked for and refuses short files', async () => {
    const folder = mkdtempSync(join(tmpdir(), 'heddle-cifar-'));
    try {
      await expect(loadCifar10({ root: folder })).rejects.toThrow(DataNotFoundError);
      await expect(loadCifar10({ root: folder })).rejects.toThrow(/data_batch_1\.bin.*test_batch\.bin/);
      const inner = join(folder, 'cifar-10-batches-bin');
      mkdirSync(inner);
      for (const n of [1, 2, 3, 4, 5]) writeFileSync(join(inner, `data_batch_${n}.bin`), one.bytes);
      writeFileSync(join(inner, 'test_batch.bin'), one.bytes);
      await expect(loadCifar10({ root: '.', configFolder: folder })).rejects.toThrow(
        /data_batch_1\.bin: truncated.*30730000/,
      );
    } finally {
      rmSync(folder, { recursive: true });
    }
  });
});
