/**
 * Writing models so that a reader meets a whole one or none.
 *
 * Everything is written to a hidden folder within the output: files of their final size, tensors at their final place, a file's header
 * last. `commit` forces them to the disk, records the renames that make the model appear, and does them; after an interruption the next
 * writer of the folder does those that are left.
 */
import { createHash } from 'node:crypto';
import { copyFile, type FileHandle, mkdir, open, stat } from 'node:fs/promises';
import { join, resolve } from 'node:path';
import { InvalidArgumentError } from '../../errors.js';
import { type Claim, claimFolder } from './claim.node.js';
import { dtypeBits } from './dtype.js';
import { ModelFileError } from './errors.js';
import { LENGTH_BYTES } from './format.js';
import { modelIoError } from './io-error.js';
import {
  createJournal,
  type Journal,
  type JournalRecord,
  type RevealSteps,
  readJournal,
} from './journal.node.js';
import {
  discardPartial,
  exists,
  JOURNAL,
  makeFolder,
  PARTIAL,
  planReveal,
  REPLACED,
  refuseExisting,
  refuseFull,
  refuseInputs,
  removeEmpty,
  reveal,
  syncFolder,
} from './output-folder.node.js';
import { INDEX_FILE, isPlainName } from './reader.js';
import { isModelFile, layOutModel, type ModelLayout } from './shards.js';
import type { TensorInfo } from './source.js';
import type { ModelWriter, ModelWriterOptions, OutputInfo, WrittenModel } from './writer.js';

/** How much a crash of the machine may cost: finished tensors reach the disk this often at least. */
const SYNC_EVERY_MS = 5000;

/**
 * Begins a model in a folder, which is made if it is missing.
 *
 * @param outputs - all tensors, in the order in which they fill the files.
 * @throws {ModelFileError} `ERR_OUTPUT_EXISTS`, `ERR_OUTPUT_IS_INPUT`, `ERR_DISK_FULL` (also when the free space is known not to
 *   suffice), `ERR_OUTPUT_DENIED`, `ERR_OUTPUT_READ_ONLY`, `ERR_OUTPUT_FOLDER` or `ERR_IO`, before a byte of a tensor is written.
 * @throws {OutputBusyError} if another writer, of this or another process, has not ended there.
 * @throws {InvalidArgumentError} for tensors that no file can hold.
 */
export async function createModelWriter(
  folder: string,
  outputs: readonly OutputInfo[],
  options: ModelWriterOptions = {},
): Promise<ModelWriter> {
  const layout = layOutModel(outputs, options.shardSize, options.metadata);
  const { sync = true } = options;
  const partial = join(folder, PARTIAL);
  const journalPath = join(partial, JOURNAL);
  let claim: Claim | undefined;
  let made: string[] = [];
  let isNew = false;
  try {
    await refuseInputs(folder, options.inputs ?? []);
    made = await makeFolder(resolve(folder));
    claim = await claimFolder(folder);
    const key = layoutKey(layout, options.planKey ?? '');
    const earlier = await readJournal(journalPath);
    const same = options.resume === true && earlier?.key === key;
    if (earlier?.reveal !== undefined) {
      if (same) return releasing(claim, [], finishedWriter(folder, layout, earlier, earlier.reveal, sync));
      await reveal(folder, earlier.reveal, sync);
    }
    if (!options.overwrite) await refuseExisting(folder);
    const resumes = same && earlier.reveal === undefined && (await filesAreThere(partial, layout));
    if (!resumes) {
      await discardPartial(folder);
      await refuseFull(
        folder,
        layout.files.reduce((sum, { bytes }) => sum + bytes, 0),
      );
      await mkdir(partial);
      isNew = true;
    }
    const journal = await createJournal(journalPath, key, resumes ? earlier : undefined);
    return releasing(claim, made, await openWriter(folder, layout, journal, sync));
  } catch (error) {
    if (isNew) await discardPartial(folder).catch(() => undefined);
    await claim?.release();
    await removeEmpty(made);
    throw wrap(error, folder);
  }
}

/** A writer that gives its folder free when it is done, and removes what was made for nothing. */
function releasing(claim: Claim, made: readonly string[], writer: ModelWriter): ModelWriter {
  return {
    ...writer,
    async commit() {
      const written = await writer.commit();
      await claim.release();
      return written;
    },
    async abort(how) {
      try {
        await writer.abort(how);
      } finally {
        await claim.release();
        await removeEmpty(made);
      }
    },
  };
}

function wrap(error: unknown, path: string): Error {
  return error instanceof InvalidArgumentError ? error : modelIoError(error, 'writing', path);
}

async function filesAreThere(partial: string, layout: ModelLayout): Promise<boolean> {
  for (const { name, bytes } of layout.files) {
    const path = join(partial, name);
    if (!(await exists(path)) || (await stat(path)).size !== bytes) return false;
  }
  return true;
}

/** A model of which an interrupted run left nothing to do but renames. */
function finishedWriter(
  folder: string,
  layout: ModelLayout,
  { finished, notes }: JournalRecord,
  steps: RevealSteps,
  sync: boolean,
): ModelWriter {
  return {
    folder,
    finished: new Set(finished),
    notes,
    write: async () => undefined,
    finish: async () => undefined,
    addFile: async () => undefined,
    async commit() {
      try {
        await reveal(folder, steps, sync);
      } catch (error) {
        throw wrap(error, folder);
      }
      return writtenModel(folder, layout);
    },
    abort: async () => undefined,
  };
}

function writtenModel(folder: string, layout: ModelLayout): WrittenModel {
  return { folder, files: tensorFiles(layout), bytes: layout.bytes };
}

function tensorFiles(layout: ModelLayout): string[] {
  const names = layout.files.map(({ name }) => name);
  return layout.index === undefined ? names : [...names, INDEX_FILE];
}

async function openWriter(
  folder: string,
  layout: ModelLayout,
  journal: Journal,
  sync: boolean,
): Promise<ModelWriter> {
  const partial = join(folder, PARTIAL);
  const handles = new Map<string, FileHandle>();
  const places = new Map(
    layout.files.flatMap(({ tensors }) => tensors).map((tensor) => [tensor.name, tensor]),
  );
  const added: string[] = [];
  let state: 'open' | 'revealing' | 'closed' = 'open';
  let lastSync = performance.now();
  let syncing: Promise<void> | undefined;

  const placeOf = (name: string): TensorInfo => {
    const place = places.get(name);
    if (place === undefined || state !== 'open')
      throw new InvalidArgumentError(
        'ModelWriter',
        'the tensor',
        'one of the outputs of an open writer',
        name,
      );
    return place;
  };
  const handleOf = (file: string): FileHandle => {
    const handle = handles.get(file);
    if (handle === undefined) throw new InvalidArgumentError('ModelWriter', 'the writer', 'open', folder);
    return handle;
  };
  const closeFiles = async (): Promise<void> => {
    await syncing?.catch(() => undefined);
    await Promise.all([...handles.values()].map((handle) => handle.close()));
    handles.clear();
    await journal.close();
  };
  const syncFiles = async (): Promise<void> => {
    const before = journal.finished.size;
    await Promise.all([...handles.values()].map((handle) => handle.datasync()));
    await journal.synced(before);
  };

  try {
    for (const { name, bytes } of layout.files) {
      const path = join(partial, name);
      const handle = await open(path, (await exists(path)) ? 'r+' : 'w+');
      handles.set(name, handle);
      // Of its final size, without a length of a header: no reader takes it for a model.
      await handle.truncate(bytes);
      await writeAll(handle, new Uint8Array(LENGTH_BYTES), 0);
    }
  } catch (error) {
    await closeFiles();
    throw error;
  }

  return {
    folder,
    get finished() {
      return journal.finished;
    },
    notes: journal.notes,

    async write(tensor, begin, bytes) {
      const place = placeOf(tensor);
      const first = (begin * dtypeBits[place.dtype]) / 8;
      if (!(Number.isSafeInteger(first) && first >= 0 && first + bytes.length <= place.bytes))
        throw new InvalidArgumentError(
          'ModelWriter.write',
          `the range of ${tensor}`,
          `within its ${place.bytes} bytes`,
          `${bytes.length} bytes from ${first} on`,
        );
      try {
        await writeAll(handleOf(place.file), bytes, place.offset + first);
      } catch (error) {
        throw wrap(error, join(folder, place.file));
      }
    },

    rangeOf(tensor) {
      const { file, offset } = placeOf(tensor);
      return { descriptor: handleOf(file).fd, position: offset, path: join(folder, file) };
    },

    async finish(tensor, note) {
      placeOf(tensor);
      try {
        await journal.finish(tensor, note);
      } catch (error) {
        throw wrap(error, folder);
      }
      if (!sync || syncing !== undefined || performance.now() - lastSync < SYNC_EVERY_MS) return;
      // Beside the work: the next tensors are computed while these reach the disk.
      syncing = syncFiles()
        // A disk that fails says so again when `commit` syncs.
        .catch(() => undefined)
        .finally(() => {
          lastSync = performance.now();
          syncing = undefined;
        });
    },

    async addFile(name, content) {
      const reserved = isModelFile(name) || name.startsWith(JOURNAL) || name === REPLACED;
      if (!isPlainName(name) || reserved || state !== 'open')
        throw new InvalidArgumentError(
          'ModelWriter.addFile',
          'the name',
          'a plain name other than those of the tensors',
          name,
        );
      const path = join(partial, name);
      const copied = typeof content === 'object' && 'from' in content;
      try {
        if (copied) await copyFile(content.from, path);
        const handle = await open(path, copied ? 'r+' : 'w');
        try {
          if (!copied) await handle.writeFile(content);
          if (sync) await handle.sync();
        } finally {
          await handle.close();
        }
      } catch (error) {
        throw wrap(error, join(folder, name));
      }
      if (!added.includes(name)) added.push(name);
    },

    async commit() {
      if (state !== 'open')
        throw new InvalidArgumentError('ModelWriter.commit', 'the writer', 'open', folder);
      const missing = [...places.keys()].filter((name) => !journal.finished.has(name));
      if (missing.length > 0)
        throw new ModelFileError(
          'ERR_UNFINISHED_OUTPUT',
          `${folder}: ${missing.length} tensors are not finished, ${missing[0]} first`,
          'write every tensor and call finish with its name before commit',
          { model: folder, tensor: missing[0] },
        );
      try {
        for (const { name, head } of layout.files) await writeAll(handleOf(name), head, 0);
        if (layout.index !== undefined) {
          const handle = await open(join(partial, INDEX_FILE), 'w');
          handles.set(INDEX_FILE, handle);
          await handle.writeFile(layout.index);
        }
        if (sync) {
          await Promise.all([...handles.values()].map((handle) => handle.sync()));
          await syncFolder(partial);
          await syncFolder(folder);
        }
        const steps = await planReveal(folder, [...added, ...tensorFiles(layout)]);
        await journal.reveal(steps);
        state = 'revealing';
        await closeFiles();
        await reveal(folder, steps, sync);
        state = 'closed';
      } catch (error) {
        throw wrap(error, folder);
      }
      return writtenModel(folder, layout);
    },

    async abort({ keep = false } = {}) {
      if (state === 'closed') return;
      // Between renames nothing may be removed: the next writer of the folder goes on with them.
      const remove = state === 'open' && !keep;
      state = 'closed';
      await closeFiles();
      if (remove) await discardPartial(folder).catch(() => undefined);
    },
  };
}

async function writeAll(handle: FileHandle, bytes: Uint8Array, position: number): Promise<void> {
  for (let done = 0; done < bytes.length; )
    done += (await handle.write(bytes, done, bytes.length - done, position + done)).bytesWritten;
}

/** Names the bytes that will be written: what the caller's plan gives, at these places. */
function layoutKey(layout: ModelLayout, planKey: string): string {
  const hash = createHash('sha256').update(`${planKey.length}:${planKey}`);
  for (const { name, head } of layout.files) hash.update(name).update(head);
  return hash.digest('hex');
}
