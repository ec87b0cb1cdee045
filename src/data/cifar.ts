/**
 * CIFAR-10, binary version (Krizhevsky 2009): records of one label byte and 3072 pixel bytes, planes red, green, blue,
 * each 32 x 32 row-major. Ten thousand records a file.
 */
import { channelsOf, type Dataset, dataset, type TaskData } from './dataset.js';
import { DataFormatError } from './errors.js';
import type { NamedBytes } from './mnist.js';
import { sharedU8 } from './shared-memory.js';

export const cifar10Files = {
  train: ['data_batch_1.bin', 'data_batch_2.bin', 'data_batch_3.bin', 'data_batch_4.bin', 'data_batch_5.bin'],
  test: ['test_batch.bin'],
} as const;
export const cifar10RecordsPerFile = 10_000;

const imageBytes = 3 * 32 * 32;
const recordBytes = 1 + imageBytes;

/**
 * Data set of one part, files in order. Shape `[3, 32, 32]`, pixels scaled to [0, 1].
 *
 * @param recordsPerFile - records that every file must have. Default: 10,000.
 * @throws {DataFormatError} for a file of any other length, with the bytes expected and found.
 * @throws {LabelRangeError} for a label above 9.
 */
export function readCifar10Part(
  name: string,
  files: readonly NamedBytes[],
  recordsPerFile = cifar10RecordsPerFile,
): Dataset {
  const expected = recordsPerFile * recordBytes;
  for (const { file, bytes } of files)
    if (bytes.length !== expected)
      throw new DataFormatError(
        file,
        `${bytes.length < expected ? 'truncated' : 'oversized'}: ${recordsPerFile} records of ${recordBytes} bytes ` +
          `take ${expected} bytes, the file has ${bytes.length}`,
        'fetch cifar-10-binary.tar.gz again and unpack it (the binary version, not the Python one)',
      );
  const x = sharedU8(files.length * recordsPerFile * imageBytes);
  const y = new Uint8Array(files.length * recordsPerFile);
  files.forEach(({ bytes }, fileNumber) => {
    for (let record = 0; record < recordsPerFile; record++) {
      const from = record * recordBytes;
      const example = fileNumber * recordsPerFile + record;
      y[example] = bytes[from];
      x.set(bytes.subarray(from + 1, from + recordBytes), example * imageBytes);
    }
  });
  return dataset({ name, x, shape: [3, 32, 32], scale: 1 / 255, y, classes: 10 });
}

/** Both parts, normalised per channel with the mean and the standard deviation of the training part. */
export function readCifar10(
  train: readonly NamedBytes[],
  test: readonly NamedBytes[],
  recordsPerFile = cifar10RecordsPerFile,
): TaskData {
  const trainPart = readCifar10Part('cifar10/train', train, recordsPerFile);
  const testPart = readCifar10Part('cifar10/test', test, recordsPerFile);
  const statistics = channelStatistics(trainPart);
  return { train: { ...trainPart, ...statistics }, test: { ...testPart, ...statistics } };
}

/**
 * Mean and standard deviation (population form) of each channel in scaled units, from exact integer sums of the bytes,
 * so that they do not depend on the order of addition.
 *
 * @throws {DataFormatError} if a channel is constant, or the data is not bytes.
 */
export function channelStatistics(data: Dataset): { mean: readonly number[]; std: readonly number[] } {
  const { x, exampleSize, size, scale } = data;
  if (!(x instanceof Uint8Array))
    throw new DataFormatError(data.name, 'holds float32 values', 'pass mean and std to dataset() yourself');
  const channels = channelsOf(data.shape);
  const plane = exampleSize / channels;
  const mean: number[] = [];
  const std: number[] = [];
  for (let c = 0; c < channels; c++) {
    const histogram = new Float64Array(256);
    for (let example = 0; example < size; example++) {
      const from = example * exampleSize + c * plane;
      for (let i = from; i < from + plane; i++) histogram[x[i]]++;
    }
    let sum = 0n;
    let squares = 0n;
    histogram.forEach((count, value) => {
      sum += BigInt(count) * BigInt(value);
      squares += BigInt(count) * BigInt(value * value);
    });
    const n = BigInt(size * plane);
    const spread = n * squares - sum * sum;
    if (spread === 0n)
      throw new DataFormatError(
        data.name,
        `channel ${c} is constant`,
        'check the files: every pixel is equal',
      );
    mean.push((Number(sum) / Number(n)) * scale);
    std.push((Math.sqrt(Number(spread)) / Number(n)) * scale);
  }
  return { mean, std };
}
