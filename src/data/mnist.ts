/** MNIST (LeCun et al. 1998): 28 x 28 grey images of ten digits, from its four IDX files. */
import { type Dataset, dataset, type TaskData } from './dataset.js';
import { DataFormatError } from './errors.js';
import { readIdx } from './idx.js';

/** One of the four files. */
export interface MnistFile {
  readonly part: 'train' | 'test';
  readonly holds: 'images' | 'labels';
  readonly name: string;
  /** Length unpacked. */
  readonly bytes: number;
  /** Of the unpacked file of the original MNIST; look-alikes (Fashion-MNIST) have others and are read too. */
  readonly sha256: string;
}

export const mnistFiles: readonly MnistFile[] = [
  {
    part: 'train',
    holds: 'images',
    name: 'train-images-idx3-ubyte',
    bytes: 47_040_016,
    sha256: 'ba891046e6505d7aadcbbe25680a0738ad16aec93bde7f9b65e87a2fc25776db',
  },
  {
    part: 'train',
    holds: 'labels',
    name: 'train-labels-idx1-ubyte',
    bytes: 60_008,
    sha256: '65a50cbbf4e906d70832878ad85ccda5333a97f0f4c3dd2ef09a8a9eef7101c5',
  },
  {
    part: 'test',
    holds: 'images',
    name: 't10k-images-idx3-ubyte',
    bytes: 7_840_016,
    sha256: '0fa7898d509279e482958e8ce81c8e77db3f2f8254e26661ceb7762c4d494ce7',
  },
  {
    part: 'test',
    holds: 'labels',
    name: 't10k-labels-idx1-ubyte',
    bytes: 10_008,
    sha256: 'ff7bcfd416de33731a308c3f266cc351222c34898ecbeaf847f06e48f7ec33f2',
  },
];

/** Bytes of a file and where they came from. */
export interface NamedBytes {
  readonly file: string;
  readonly bytes: Uint8Array;
}

/**
 * Data set of one part from its image and its label file, plain or gzip. Shape `[1, 28, 28]` for MNIST, pixels scaled
 * to [0, 1]; no mean is taken off.
 *
 * @throws {DataFormatError} for a damaged file, or if the two disagree in the number of examples.
 * @throws {LabelRangeError} for a label above 9.
 */
export async function readMnistPart(name: string, images: NamedBytes, labels: NamedBytes): Promise<Dataset> {
  const pixels = await readIdx(images.bytes, { file: images.file, axes: 3 });
  const digits = await readIdx(labels.bytes, { file: labels.file, axes: 1 });
  const [count, height, width] = pixels.shape;
  if (digits.shape[0] !== count)
    throw new DataFormatError(
      labels.file,
      `has ${digits.shape[0]} labels, but ${images.file} has ${count} images`,
      'take both files from the same data set and the same part',
    );
  return dataset({
    name,
    x: pixels.data,
    shape: [1, height, width],
    scale: 1 / 255,
    y: digits.data,
    classes: 10,
  });
}

/** Both parts, from bytes that were fetched or read by the caller. */
export async function readMnist(files: {
  trainImages: NamedBytes;
  trainLabels: NamedBytes;
  testImages: NamedBytes;
  testLabels: NamedBytes;
}): Promise<TaskData> {
  return {
    train: await readMnistPart('mnist/train', files.trainImages, files.trainLabels),
    test: await readMnistPart('mnist/test', files.testImages, files.testLabels),
  };
}
