/** The folder that a model is written to: what it must not hold, and the renames that make a model appear in it. */
import { mkdir, open, readdir, realpath, rename, rm, rmdir, stat, statfs } from 'node:fs/promises';
import { dirname, join } from 'node:path';
import { ModelFileError } from './errors.js';
import { DISK_FULL } from './io-error.js';
import type { RevealSteps } from './journal.node.js';
import { INDEX_FILE, SINGLE_FILE } from './reader.js';
import { isModelFile } from './shards.js';

/** Hidden folder within the output, which holds everything until the model appears. */
export const PARTIAL = '.heddle-partial';
/** Record within it of what is finished, and of the renames that are left. */
export const JOURNAL = 'journal.jsonl';
/** Where the files of a replaced model wait until the new one is whole. */
export const REPLACED = 'replaced';

/**
 * Makes a folder and those that it is in. Node's own `recursive` hides that a disk is read-only, and never ends below /proc.
 *
 * @returns those that were not there, the outermost first.
 */
export async function makeFolder(
  path: string,
  makeOne: (path: string) => Promise<unknown> = (one) => mkdir(one),
): Promise<string[]> {
  try {
    await makeOne(path);
    return [path];
  } catch (error) {
    const code = error instanceof Error && 'code' in error ? error.code : undefined;
    if (code === 'EEXIST' && (await isFolder(path))) return [];
    if (code !== 'ENOENT' || (await exists(dirname(path)))) throw error;
    const outer = await makeFolder(dirname(path), makeOne);
    return [...outer, ...(await makeFolder(path, makeOne))];
  }
}

/** Not for a link that leads nowhere. */
function isFolder(path: string): Promise<boolean> {
  return stat(path).then(
    (there) => there.isDirectory(),
    () => false,
  );
}

/** Removes folders that `makeFolder` made, as far as nothing was put into them. */
export async function removeEmpty(made: readonly string[]): Promise<void> {
  try {
    for (const path of made.toReversed()) await rmdir(path);
  } catch {
    // Something is in it, or it is gone: both are as they should be.
  }
}

export async function refuseExisting(folder: string): Promise<void> {
  const model = (await readdir(folder)).find(isModelFile);
  if (model !== undefined)
    throw new ModelFileError(
      'ERR_OUTPUT_EXISTS',
      `${folder} holds a model already (${model})`,
      'choose another folder, remove the model there, or replace it with --overwrite (option overwrite)',
      { model: folder, file: model },
    );
}

/** An input could be cut, or half replaced, while it is read. */
export async function refuseInputs(folder: string, inputs: readonly string[]): Promise<void> {
  const real = await realPath(folder);
  if (real === undefined) return;
  for (const input of inputs) {
    const path = await realPath(input);
    if (path === undefined) continue;
    const holder = (await stat(path)).isDirectory() ? path : dirname(path);
    if (holder === real)
      throw new ModelFileError(
        'ERR_OUTPUT_IS_INPUT',
        `${folder} is to be written and holds the input ${input}`,
        'choose another output folder',
        { model: folder, file: input },
      );
  }
}

/** Without links; undefined where there is nothing. */
function realPath(path: string): Promise<string | undefined> {
  return realpath(path).catch(() => undefined);
}

export async function refuseFull(folder: string, bytes: number): Promise<void> {
  const { bavail, bsize } = await statfs(folder);
  const free = bavail * bsize;
  if (bytes > free)
    throw new ModelFileError(
      DISK_FULL.code,
      `${folder}: the model takes ${bytes} bytes and ${free} are free there`,
      DISK_FULL.hint,
      { model: folder, expected: bytes, actual: free },
    );
}

/**
 * The renames for a model: other files first, then tensors, then the index. A single file alone over a single file is one rename; else a
 * model that is there makes room, what reads as a model first, so that no moment holds a mixture that loads.
 *
 * @throws {ModelFileError} `ERR_OUTPUT_EXISTS` where a folder has the name of a new file, before anything makes room.
 */
export async function planReveal(folder: string, names: readonly string[]): Promise<RevealSteps> {
  const entries = await readdir(folder, { withFileTypes: true });
  const inTheWay = entries.find((entry) => entry.isDirectory() && names.includes(entry.name));
  if (inTheWay !== undefined)
    throw new ModelFileError(
      'ERR_OUTPUT_EXISTS',
      `${join(folder, inTheWay.name)} is a folder, and the model has a file of this name`,
      'move it away, or choose another output folder',
      { model: folder, file: inTheWay.name },
    );
  const old = entries.map(({ name }) => name).filter(isModelFile);
  const inPlace = names.length === 1 && names[0] === SINGLE_FILE && !old.includes(INDEX_FILE);
  const away = old.filter((name) => !(inPlace && name === SINGLE_FILE));
  // Where both are there the index is read: without it a stale single file would load.
  const loads = (name: string): number => (name === SINGLE_FILE ? 0 : name === INDEX_FILE ? 1 : 2);
  return { away: away.sort((a, b) => loads(a) - loads(b)), names };
}

/**
 * Does the renames that the journal says are left, and removes the hidden folder; the same after any number of interruptions.
 *
 * The journal goes before the files of the old model: with them gone, what makes room would be the new ones.
 */
export async function reveal(folder: string, { away, names }: RevealSteps, sync: boolean): Promise<void> {
  const partial = join(folder, PARTIAL);
  const replaced = join(partial, REPLACED);
  if (away.length > 0) await mkdir(replaced, { recursive: true });
  for (const name of away)
    if (!(await isThere(join(replaced, name))) && (await isThere(join(folder, name))))
      await rename(join(folder, name), join(replaced, name));
  // A new shard must not reach the disk before the old index has left it.
  if (sync && away.length > 0) await syncFolder(folder);
  for (const name of names)
    if (await isThere(join(partial, name))) await rename(join(partial, name), join(folder, name));
  if (sync) await syncFolder(folder);
  // The model is whole from here on; what cannot be removed is hidden and harmless.
  try {
    await rm(join(partial, JOURNAL), { force: true });
    if (sync) await syncFolder(partial);
    await rm(partial, { recursive: true, force: true });
  } catch {
    // The next writer of the folder finds nothing left to rename, and tries again.
  }
}

/** Removes what is unfinished. Its journal goes first: without the files that it names it would have the next writer lose a model. */
export async function discardPartial(folder: string): Promise<void> {
  const partial = join(folder, PARTIAL);
  await rm(join(partial, JOURNAL), { force: true });
  await rm(partial, { recursive: true, force: true });
}

/** Makes renames and new names durable. Windows and some network file systems cannot sync a folder, and order renames anyway. */
export async function syncFolder(path: string): Promise<void> {
  if (process.platform === 'win32') return;
  const handle = await open(path, 'r');
  try {
    await handle.sync();
  } catch (error) {
    const code = error instanceof Error && 'code' in error ? error.code : undefined;
    if (code !== 'EINVAL' && code !== 'ENOTSUP' && code !== 'EISDIR') throw error;
  } finally {
    await handle.close();
  }
}

export async function exists(path: string): Promise<boolean> {
  return stat(path).then(
    () => true,
    () => false,
  );
}

/** As `exists`, but where the disk does not say: a file that counted as missing would be removed with the hidden folder. */
async function isThere(path: string): Promise<boolean> {
  try {
    await stat(path);
    return true;
  } catch (error) {
    if (error instanceof Error && 'code' in error && error.code === 'ENOENT') return false;
    throw error;
  }
}
