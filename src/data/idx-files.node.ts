import type { TaskData } from './dataset.js';
import { readMnist } from './mnist.js';
import { readFileShared } from './read-file.node.js';

/** Paths of four IDX files, plain or gzip. */
export interface IdxFiles {
  readonly images: string;
  readonly labels: string;
  readonly testImages: string;
  readonly testLabels: string;
}

/** Loads a data set of the MNIST family from files of any name. @throws {DataFormatError} naming the file that is wrong. */
export async function loadIdxFiles(files: IdxFiles): Promise<TaskData> {
  const [trainImages, trainLabels, testImages, testLabels] = await Promise.all(
    [files.images, files.labels, files.testImages, files.testLabels].map(readFileShared),
  );
  return readMnist({ trainImages, trainLabels, testImages, testLabels });
}
