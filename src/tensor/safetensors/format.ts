/**
 * The layout of a safetensors file: eight bytes of header length (little-endian), the header as JSON, then the tensors.
 * https://huggingface.co/docs/safetensors
 *
 * Reading trusts nothing: everything is checked against the length of the file before any memory is asked for. The verdicts and their
 * order are those of the reference reader (`safetensors/src/tensor.rs`), and duplicate keys are refused, which it lets pass.
 */
import { InvalidArgumentError } from '../../errors.js';
import { bytesOf, dtypeBits, isStoredDtype, type StoredDtype } from './dtype.js';
import { type HeaderProblem, SafetensorsFormatError } from './errors.js';
import { isWellFormed, type JsonObject, JsonScanError, type JsonValue, scanJson } from './json-scanner.js';
import type { TensorInfo } from './source.js';
import type { OutputInfo } from './writer.js';

/** Bytes before the header. */
export const LENGTH_BYTES = 8;
const MAX_HEADER_BYTES = 100_000_000;
const MAX_RANK = 32;
const MAX_NAME_BYTES = 4096;
const U64_MAX = 2n ** 64n - 1n;

/**
 * Length of the header that follows the first eight bytes.
 *
 * @param start - the first bytes of the file, eight where it has so many.
 * @param fileBytes - length of the whole file.
 * @throws {SafetensorsFormatError} if the file cannot hold such a header.
 */
export function readHeaderLength(start: Uint8Array, fileBytes: number, file: string): number {
  if (fileBytes < LENGTH_BYTES || start.length < LENGTH_BYTES)
    throw new SafetensorsFormatError('ERR_HEADER_TOO_SMALL', file, `it has ${fileBytes} bytes, fewer than 8`);
  const length = new DataView(start.buffer, start.byteOffset, LENGTH_BYTES).getBigUint64(0, true);
  if (length > BigInt(MAX_HEADER_BYTES))
    throw new SafetensorsFormatError(
      'ERR_HEADER_TOO_LARGE',
      file,
      `it claims a header of ${length} bytes; at most ${MAX_HEADER_BYTES} are allowed`,
    );
  if (LENGTH_BYTES + Number(length) > fileBytes)
    throw new SafetensorsFormatError(
      'ERR_INVALID_HEADER_LENGTH',
      file,
      `it claims a header of ${length} bytes and has ${fileBytes} in all`,
    );
  return Number(length);
}

export interface FileHeader {
  readonly metadata: Readonly<Record<string, string>>;
  /** In the order of their bytes. */
  readonly tensors: readonly TensorInfo[];
}

/**
 * Reads and checks a header.
 *
 * @param header - the bytes behind the length.
 * @param fileBytes - length of the whole file.
 * @throws {SafetensorsFormatError} with the verdict; a header that passes describes the file to the last byte.
 */
export function parseHeader(header: Uint8Array, fileBytes: number, file: string): FileHeader {
  const fail = (problem: HeaderProblem, what: string, tensor?: string): never => {
    throw new SafetensorsFormatError(
      problem,
      file,
      tensor === undefined ? what : `tensor ${quoted(tensor)}: ${what}`,
      {
        tensor,
      },
    );
  };
  const root = parseObject(header, fail);
  let metadata: Readonly<Record<string, string>> = {};
  const entries: HeaderEntry[] = [];
  for (const [name, value] of root) {
    if (name === '__metadata__') metadata = readMetadata(value, fail);
    else entries.push(readEntry(name, value, fail));
  }
  entries.sort((a, b) => compareBig(a.begin, b.begin) || compareBig(a.end, b.end));
  let start = 0n;
  for (const { name, begin, end } of entries) {
    if (begin !== start || end < begin)
      fail(
        'ERR_INVALID_OFFSET',
        `its bytes are said to be ${begin} to ${end}, and have to begin at ${start}`,
        name,
      );
    start = end;
  }
  const first = LENGTH_BYTES + header.length;
  const tensors = entries.map((entry) => checkedTensor(entry, first, file, fail));
  const expected = start + BigInt(first);
  if (expected !== BigInt(fileBytes))
    fail('ERR_INCOMPLETE_BUFFER', `its header describes ${expected} bytes and it has ${fileBytes}`);
  return { metadata, tensors };
}

type Fail = (problem: HeaderProblem, what: string, tensor?: string) => never;

interface HeaderEntry {
  readonly name: string;
  readonly dtype: StoredDtype;
  readonly shape: readonly bigint[];
  readonly begin: bigint;
  readonly end: bigint;
}

function parseObject(header: Uint8Array, fail: Fail): JsonObject {
  let text: string;
  try {
    text = new TextDecoder('utf-8', { fatal: true, ignoreBOM: true }).decode(header);
  } catch {
    // The decoder's own error says nothing more than this.
    return fail('ERR_INVALID_UTF8', 'its header is not UTF-8 text');
  }
  let root: JsonValue;
  try {
    root = scanJson(text);
  } catch (error) {
    if (!(error instanceof JsonScanError)) throw error;
    const problem = error.kind === 'duplicate' ? 'ERR_DUPLICATE_KEY' : 'ERR_INVALID_JSON';
    return fail(problem, `its header: ${error.message}`);
  }
  return isObject(root) ? root : fail('ERR_INVALID_JSON', 'its header is not a JSON object');
}

function readMetadata(value: JsonValue, fail: Fail): Readonly<Record<string, string>> {
  if (!isObject(value)) return fail('ERR_INVALID_JSON', '__metadata__ is not an object');
  for (const [key, text] of value)
    if (typeof text !== 'string') fail('ERR_INVALID_JSON', `__metadata__: ${quoted(key)} is not a string`);
  // Entries, not assignment: a key may have any name.
  return Object.fromEntries(value) as Record<string, string>;
}

function readEntry(name: string, value: JsonValue, fail: Fail): HeaderEntry {
  if (new TextEncoder().encode(name).length > MAX_NAME_BYTES)
    fail('ERR_INVALID_JSON', `its name is longer than ${MAX_NAME_BYTES} bytes`, name);
  if (!isObject(value)) return fail('ERR_INVALID_JSON', 'its entry is not an object', name);
  const dtype = value.get('dtype');
  if (typeof dtype !== 'string' || !isStoredDtype(dtype))
    return fail('ERR_INVALID_JSON', `unknown dtype ${typeof dtype === 'string' ? quoted(dtype) : ''}`, name);
  const integers = (key: string): bigint[] => {
    const list = value.get(key);
    if (!Array.isArray(list)) return fail('ERR_INVALID_JSON', `${key} is missing or not a list`, name);
    return list.map((item: JsonValue) => {
      const whole =
        typeof item === 'bigint' || Number.isSafeInteger(item) ? BigInt(item as number | bigint) : -1n;
      if (whole < 0n || whole > U64_MAX)
        fail('ERR_INVALID_JSON', `${key} holds something other than sizes`, name);
      return whole;
    });
  };
  const shape = integers('shape');
  if (shape.length > MAX_RANK)
    fail('ERR_INVALID_JSON', `it has ${shape.length} axes, above ${MAX_RANK}`, name);
  const offsets = integers('data_offsets');
  if (offsets.length !== 2) fail('ERR_INVALID_JSON', 'data_offsets has to hold two numbers', name);
  return { name, dtype, shape, begin: offsets[0], end: offsets[1] };
}

/** @param first - byte of the file at which tensors begin. */
function checkedTensor(entry: HeaderEntry, first: number, file: string, fail: Fail): TensorInfo {
  const { name, dtype, begin, end } = entry;
  const multiply = (a: bigint, b: bigint): bigint =>
    a * b > U64_MAX
      ? fail('ERR_OVERFLOW', `shape [${entry.shape}] has more elements than 64 bits count`, name)
      : a * b;
  const size = entry.shape.reduce(multiply, 1n);
  const bits = multiply(size, BigInt(dtypeBits[dtype]));
  if (bits % 8n !== 0n) fail('ERR_MISALIGNED', `${size} elements of ${dtype} are not whole bytes`, name);
  const bytes = bits / 8n;
  if (end - begin !== bytes)
    fail(
      'ERR_SIZE_MISMATCH',
      `shape [${entry.shape}] of ${dtype} takes ${bytes} bytes, ${end - begin} are given`,
      name,
    );
  if ([...entry.shape, end + BigInt(first)].some((n) => n > BigInt(Number.MAX_SAFE_INTEGER)))
    fail('ERR_OVERFLOW', `shape [${entry.shape}] or its place in the file lies beyond 2^53`, name);
  return {
    name,
    dtype,
    shape: entry.shape.map(Number),
    size: Number(size),
    bytes: Number(bytes),
    file,
    offset: first + Number(begin),
  };
}

function isObject(value: JsonValue): value is JsonObject {
  return value instanceof Map;
}

function compareBig(a: bigint, b: bigint): number {
  return a < b ? -1 : a > b ? 1 : 0;
}

function quoted(text: string): string {
  return JSON.stringify(text.length > 80 ? `${text.slice(0, 77)}...` : text);
}

/** A file before its tensors are written. */
export interface FileLayout {
  /** Length and header: the bytes before the first tensor, a multiple of eight. */
  readonly head: Uint8Array;
  readonly tensors: readonly TensorInfo[];
  /** Of the whole file. */
  readonly bytes: number;
}

/**
 * Lays out a file as the reference writer does: by decreasing alignment of the type, then by the bytes of the name, without gaps; the
 * header padded with spaces to a multiple of eight. So every tensor is aligned to its own type.
 *
 * @param metadata - text by key; `format: pt` is added, which common loaders ask for.
 * @param order - `given` keeps the order of `outputs`, whose names must differ and whose types must be one.
 * @throws {InvalidArgumentError} for names that no header can hold, two tensors of one name, or a size that is not a whole number of bytes.
 */
export function layOutFile(
  file: string,
  outputs: readonly OutputInfo[],
  metadata: Readonly<Record<string, string>> = {},
  order: 'aligned' | 'given' = 'aligned',
): FileLayout {
  const alignment = Object.keys(dtypeBits);
  const named = outputs.map((output) => ({ output, key: new TextEncoder().encode(output.name) }));
  if (order === 'aligned')
    named.sort(
      (a, b) =>
        alignment.indexOf(b.output.dtype) - alignment.indexOf(a.output.dtype) || compareBytes(a.key, b.key),
    );
  let end = 0;
  const places = named.map(({ output, key }, i) => {
    const { name, dtype, shape } = output;
    if (name === '__metadata__' || !isWellFormed(name) || key.length > MAX_NAME_BYTES)
      throw new InvalidArgumentError(
        'safetensors',
        'a name of a tensor',
        'UTF-8 text of at most 4096 bytes',
        name,
      );
    if (i > 0 && named[i - 1].output.name === name)
      throw new InvalidArgumentError(
        'safetensors',
        'the names of tensors',
        'different from each other',
        name,
      );
    const size = shape.reduce((product, n) => product * n, 1);
    const bytes = bytesOf(dtype, size);
    if (
      !shape.every((n) => Number.isSafeInteger(n) && n >= 0) ||
      shape.length > MAX_RANK ||
      !Number.isSafeInteger(bytes)
    )
      throw new InvalidArgumentError(
        'safetensors',
        `the shape of ${name}`,
        'sizes of whole bytes below 2^53',
        String(shape),
      );
    const begin = end;
    end += bytes;
    return { name, dtype, shape, size, bytes, begin };
  });
  // Entries, not assignment: a tensor may have any name.
  const header = Object.fromEntries(
    new Map<string, unknown>([
      ['__metadata__', { format: 'pt', ...metadata }],
      ...places.map(({ name, dtype, shape, begin, bytes }): [string, unknown] => [
        name,
        { dtype, shape, data_offsets: [begin, begin + bytes] },
      ]),
    ]),
  );
  const json = new TextEncoder().encode(JSON.stringify(header));
  const headerBytes = Math.ceil(json.length / 8) * 8;
  if (headerBytes > MAX_HEADER_BYTES)
    throw new InvalidArgumentError(
      'safetensors',
      'the header',
      `at most ${MAX_HEADER_BYTES} bytes`,
      headerBytes,
    );
  const head = new Uint8Array(LENGTH_BYTES + headerBytes).fill(0x20);
  new DataView(head.buffer).setBigUint64(0, BigInt(headerBytes), true);
  head.set(json, LENGTH_BYTES);
  const tensors = places.map(({ begin, ...tensor }) => ({ ...tensor, file, offset: head.length + begin }));
  return { head, tensors, bytes: head.length + end };
}

function compareBytes(a: Uint8Array, b: Uint8Array): number {
  const n = Math.min(a.length, b.length);
  for (let i = 0; i < n; i++) if (a[i] !== b[i]) return a[i] - b[i];
  return a.length - b.length;
}
