/** Reading a model from named byte ranges: the same for files on disk and for files in a browser. */
import { InvalidArgumentError } from '../../errors.js';
import { dtypeBits } from './dtype.js';
import { ModelFileError } from './errors.js';
import { foreignFormatError, isForeignFile } from './foreign-format.js';
import { type FileHeader, LENGTH_BYTES, parseHeader, readHeaderLength } from './format.js';
import { JsonScanError, type JsonValue, scanJson } from './json-scanner.js';
import type { ModelFile, ModelSource, TensorInfo } from './source.js';

/** One file of a model, open. */
export interface ByteFile {
  readonly path: string;
  readonly size: number;
  /** Its number, where it is open in the file system. */
  readonly descriptor?: number;
  /**
   * Fills `into` from byte `position` on.
   *
   * @throws {ModelFileError} if it cannot, as when the file has become shorter.
   */
  read(into: Uint8Array, position: number): Promise<void>;
  /** @throws {InputChangedError} if the file was written to since it was opened. */
  verify(): Promise<void>;
  close(): Promise<void>;
}

/** A place that holds the files of one model. */
export interface ModelPlace {
  readonly path: string;
  /** Opens a file by its name there; undefined if there is none. */
  open(name: string): Promise<ByteFile | undefined>;
  /** Names of all its files: asked for only to say what is there instead of a model. */
  list?(): Promise<readonly string[]>;
}

export const SINGLE_FILE = 'model.safetensors';
export const INDEX_FILE = 'model.safetensors.index.json';
const CONFIG_FILE = 'config.json';
/** An index names each tensor once; a larger file is not one. */
const MAX_JSON_BYTES = 256 * 1024 * 1024;

/**
 * Opens the model of a place: `model.safetensors.index.json` with its shards, else `model.safetensors` (or the file given), and
 * `config.json` where there is one. Only headers are read.
 *
 * @param single - name of the one file with tensors, where the caller named a file.
 * @throws {SafetensorsFormatError} for a malformed file.
 * @throws {ModelFileError} with `ERR_MODEL_NOT_FOUND`, `ERR_MODEL_FORMAT` (a checkpoint of another format), `ERR_MISSING_SHARD`,
 *   `ERR_MISSING_TENSOR`, `ERR_DUPLICATE_TENSOR`, `ERR_BAD_INDEX` or `ERR_BAD_CONFIG`.
 */
export async function openModelPlace(place: ModelPlace, single?: string): Promise<ModelSource> {
  const open = new Map<string, ByteFile>();
  try {
    const index = single === undefined ? await readJson(place, INDEX_FILE, 'ERR_BAD_INDEX') : undefined;
    const config = single === undefined ? await readJson(place, CONFIG_FILE, 'ERR_BAD_CONFIG') : undefined;
    const content =
      index === undefined
        ? await openSingle(place, single ?? SINGLE_FILE, open)
        : await openShards(place, readIndex(index, place.path), open);
    return createSource(place.path, open, { ...content, config: config && toPlain(config) });
  } catch (error) {
    await closeAll(open.values());
    throw error;
  }
}

interface ModelContent {
  readonly tensors: ReadonlyMap<string, TensorInfo>;
  readonly metadata: Readonly<Record<string, string>>;
  readonly warnings: readonly string[];
  readonly config?: Readonly<Record<string, unknown>>;
}

function createSource(path: string, open: ReadonlyMap<string, ByteFile>, content: ModelContent): ModelSource {
  const files: ModelFile[] = [...open].map(([name, file]) => ({ name, path: file.path, size: file.size }));
  let closed = false;
  return {
    ...content,
    path,
    files,
    async readBytes(info, begin, end, into) {
      const file = open.get(info.file);
      if (file === undefined || closed)
        throw new InvalidArgumentError('readBytes', 'the tensor', `one of the open model ${path}`, info.name);
      if (
        !(
          Number.isSafeInteger(begin) &&
          Number.isSafeInteger(end) &&
          0 <= begin &&
          begin <= end &&
          end <= info.size
        )
      )
        throw new InvalidArgumentError(
          'readBytes',
          'the range',
          `within the ${info.size} elements`,
          `${begin} to ${end}`,
        );
      const bits = dtypeBits[info.dtype];
      const first = (begin * bits) / 8;
      const length = (end * bits) / 8 - first;
      if (!Number.isInteger(first) || !Number.isInteger(length))
        throw new InvalidArgumentError(
          'readBytes',
          'the range',
          `whole bytes of ${info.dtype}`,
          `${begin} to ${end}`,
        );
      if (into !== undefined && into.length < length)
        throw new InvalidArgumentError('readBytes', 'into', `at least ${length} bytes`, into.length);
      const target = into === undefined ? new Uint8Array(length) : into.subarray(0, length);
      if (length > 0) await file.read(target, info.offset + first);
      return target;
    },
    rangeOf(info) {
      const file = open.get(info.file);
      if (file?.descriptor === undefined || closed) return undefined;
      return { descriptor: file.descriptor, position: info.offset, path: file.path };
    },
    async verify() {
      for (const file of open.values()) await file.verify();
    },
    async close() {
      if (closed) return;
      closed = true;
      await closeAll(open.values());
    },
  };
}

async function closeAll(files: Iterable<ByteFile>): Promise<void> {
  await Promise.all([...files].map((file) => file.close()));
}

async function openSingle(
  place: ModelPlace,
  name: string,
  open: Map<string, ByteFile>,
): Promise<ModelContent> {
  if (isForeignFile(name)) throw foreignFormatError(place.path, [name]);
  const file = await place.open(name);
  if (file === undefined)
    throw (
      foreignFormatError(place.path, (await place.list?.()) ?? []) ??
      new ModelFileError(
        'ERR_MODEL_NOT_FOUND',
        `${place.path}: there is no ${name}${name === SINGLE_FILE ? ` and no ${INDEX_FILE}` : ''}`,
        'name a safetensors file, or a folder with model.safetensors or model.safetensors.index.json',
        { model: place.path },
      )
    );
  open.set(name, file);
  const { metadata, tensors } = await readFileHeader(name, file);
  return { metadata, tensors: new Map(tensors.map((tensor) => [tensor.name, tensor])), warnings: [] };
}

/** Header of a file; its tensors name the file as the model does. */
async function readFileHeader(name: string, file: ByteFile): Promise<FileHeader> {
  const start = new Uint8Array(Math.min(LENGTH_BYTES, file.size));
  await file.read(start, 0);
  const header = new Uint8Array(readHeaderLength(start, file.size, file.path));
  await file.read(header, LENGTH_BYTES);
  const { metadata, tensors } = parseHeader(header, file.size, file.path);
  return { metadata, tensors: tensors.map((tensor) => ({ ...tensor, file: name })) };
}

interface ModelIndex {
  readonly shards: readonly string[];
  readonly weightMap: ReadonlyMap<string, string>;
  /** Bytes of all tensors, where the index says so. */
  readonly totalSize?: number;
}

function readIndex(index: ReadonlyMap<string, JsonValue>, path: string): ModelIndex {
  const fail = (problem: string, tensor?: string): never => {
    throw new ModelFileError(
      'ERR_BAD_INDEX',
      `${path}/${INDEX_FILE}: ${problem}`,
      'fetch the index again from where the model came from, or remove it if model.safetensors is complete',
      { model: path, file: INDEX_FILE, tensor },
    );
  };
  const map = index.get('weight_map');
  if (!(map instanceof Map)) return fail('weight_map is missing or not an object');
  for (const [tensor, file] of map) {
    if (typeof file !== 'string') fail(`weight_map: ${JSON.stringify(tensor)} has no file name`, tensor);
    else if (!isPlainName(file)) fail(`weight_map: ${JSON.stringify(file)} is not a plain file name`, tensor);
  }
  const weightMap = map as ReadonlyMap<string, string>;
  const metadata = index.get('metadata');
  const totalSize = metadata instanceof Map ? metadata.get('total_size') : undefined;
  // Shards in the order of their names, which is that of their numbers.
  const shards = [...new Set(weightMap.values())].sort();
  return { shards, weightMap, totalSize: typeof totalSize === 'number' ? totalSize : undefined };
}

/** Whether a name stays within its folder on every system. */
export function isPlainName(name: string): boolean {
  return name !== '' && name !== '.' && name !== '..' && !/[/\\:\0]/.test(name);
}

async function openShards(
  place: ModelPlace,
  index: ModelIndex,
  open: Map<string, ByteFile>,
): Promise<ModelContent> {
  const tensors = new Map<string, TensorInfo>();
  const warnings: string[] = [];
  let metadata: Readonly<Record<string, string>> | undefined;
  const missing: string[] = [];
  for (const shard of index.shards) {
    const file = await place.open(shard);
    if (file === undefined) missing.push(shard);
    else open.set(shard, file);
  }
  if (missing.length > 0)
    throw new ModelFileError(
      'ERR_MISSING_SHARD',
      `${place.path}: of ${index.shards.length} files that the index names, ${missing.length} are missing: ${listed(missing)}`,
      'fetch the missing files into the folder of the index',
      { model: place.path, file: missing[0] },
    );
  for (const [shard, file] of open) {
    const header = await readFileHeader(shard, file);
    metadata ??= header.metadata;
    for (const tensor of header.tensors) {
      const other = tensors.get(tensor.name);
      if (other !== undefined)
        throw new ModelFileError(
          'ERR_DUPLICATE_TENSOR',
          `${place.path}: tensor ${tensor.name} is in ${other.file} and in ${shard}`,
          'the files are of two models, or damaged: fetch them again',
          { model: place.path, file: shard, tensor: tensor.name },
        );
      const named = index.weightMap.get(tensor.name);
      if (named === shard) tensors.set(tensor.name, tensor);
      else if (named === undefined)
        warnings.push(`${place.path}/${shard}: tensor ${tensor.name} is not in the index and is left out`);
    }
  }
  const lost = [...index.weightMap].filter(([name]) => !tensors.has(name));
  if (lost.length > 0)
    throw new ModelFileError(
      'ERR_MISSING_TENSOR',
      `${place.path}: ${lost.length} tensors are not in the files that the index gives them: ${listed(lost.map(([name, file]) => `${name} in ${file}`))}`,
      'the index and the files are of two models: fetch them again',
      { model: place.path, file: lost[0][1], tensor: lost[0][0] },
    );
  const total = [...tensors.values()].reduce((sum, { bytes }) => sum + bytes, 0);
  if (index.totalSize !== undefined && index.totalSize !== total)
    throw new ModelFileError(
      'ERR_BAD_INDEX',
      `${place.path}/${INDEX_FILE}: total_size is ${index.totalSize}, and the tensors have ${total} bytes`,
      'a file is of another version of the model: fetch the model again',
      { model: place.path, file: INDEX_FILE, expected: index.totalSize, actual: total },
    );
  return { tensors, metadata: metadata ?? {}, warnings };
}

function listed(names: readonly string[]): string {
  const shown = names.slice(0, 5).join(', ');
  return names.length > 5 ? `${shown} and ${names.length - 5} more` : shown;
}

async function readJson(
  place: ModelPlace,
  name: string,
  code: 'ERR_BAD_INDEX' | 'ERR_BAD_CONFIG',
): Promise<ReadonlyMap<string, JsonValue> | undefined> {
  const file = await place.open(name);
  if (file === undefined) return undefined;
  const fail = (problem: string, cause?: unknown): never => {
    throw new ModelFileError(
      code,
      `${file.path}: ${problem}`,
      'fetch the file again from where the model came from',
      { model: place.path, file: name },
      cause,
    );
  };
  try {
    if (file.size > MAX_JSON_BYTES) return fail(`it has ${file.size} bytes, too many for such a file`);
    const bytes = new Uint8Array(file.size);
    await file.read(bytes, 0);
    const root = scanJson(new TextDecoder('utf-8', { fatal: true }).decode(bytes), 64);
    return root instanceof Map ? root : fail('it is not a JSON object');
  } catch (error) {
    if (error instanceof JsonScanError) return fail(error.message, error);
    if (error instanceof TypeError) return fail('it is not UTF-8 text', error);
    throw error;
  } finally {
    await file.close();
  }
}

/** Scanned JSON as plain objects, as a recipe or a program reads it. */
function toPlain(map: ReadonlyMap<string, JsonValue>): Record<string, unknown> {
  const plain = (value: JsonValue): unknown => {
    if (value instanceof Map) return toPlain(value);
    if (Array.isArray(value)) return value.map(plain);
    return typeof value === 'bigint' ? Number(value) : value;
  };
  return Object.fromEntries([...map].map(([key, value]) => [key, plain(value)]));
}
