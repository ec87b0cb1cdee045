/**
 * The IDX format of the MNIST family: two zero bytes, a type byte, the number of axes, the axes as big-endian
 * 32-bit integers, then the values (http://yann.lecun.com/exdb/mnist). Only unsigned bytes (type 8) are read.
 *
 * Files are untrusted: every length is checked against the bytes present before anything of that length is made.
 */
import { DataFormatError } from './errors.js';

/** Values of an IDX file; `data` is a view on the bytes that were read, not a copy. */
export interface IdxArray {
  readonly shape: readonly number[];
  readonly data: Uint8Array;
}

export interface IdxOptions {
  /** Named in messages. */
  file: string;
  /** Axes the file must have: 3 for images, 1 for labels. */
  axes?: number;
}

const typeNames: Record<number, string> = {
  8: 'unsigned bytes',
  9: 'signed bytes',
  11: '16-bit integers',
  12: '32-bit integers',
  13: '32-bit floats',
  14: '64-bit floats',
};

/**
 * Parses plain IDX bytes.
 *
 * @throws {DataFormatError} with the file, the bytes expected and the bytes found: bad magic, truncated, oversized.
 */
export function parseIdx(bytes: Uint8Array, options: IdxOptions): IdxArray {
  const header = parseHeader(bytes, options);
  const { file } = options;
  const shape = `[${header.shape.join(', ')}]`;
  if (bytes.length < header.totalBytes)
    throw new DataFormatError(
      file,
      `truncated: the header says ${shape}, which takes ${header.totalBytes} bytes, the file has ${bytes.length}`,
      `fetch ${file} again; the download was cut short`,
    );
  if (bytes.length > header.totalBytes)
    throw new DataFormatError(
      file,
      `oversized: the header says ${shape}, which takes ${header.totalBytes} bytes, the file has ${bytes.length}`,
      `fetch ${file} again, or remove the ${bytes.length - header.totalBytes} bytes behind the data`,
    );
  return { shape: header.shape, data: bytes.subarray(header.headerBytes) };
}

/** Parses IDX bytes, plain or compressed with gzip (told by the first two bytes, not by the name). */
export async function readIdx(bytes: Uint8Array, options: IdxOptions): Promise<IdxArray> {
  return parseIdx(isGzip(bytes) ? await gunzipIdx(bytes, options) : bytes, options);
}

function isGzip(bytes: Uint8Array): boolean {
  return bytes.length >= 2 && bytes[0] === 0x1f && bytes[1] === 0x8b;
}

interface IdxHeader {
  readonly shape: readonly number[];
  readonly headerBytes: number;
  readonly totalBytes: number;
}

function parseHeader(bytes: Uint8Array, { file, axes }: IdxOptions): IdxHeader {
  if (bytes.length < 4)
    throw new DataFormatError(
      file,
      `truncated: an IDX file has at least 4 bytes, this one has ${bytes.length}`,
      `fetch ${file} again`,
    );
  const magic = [...bytes.subarray(0, 4)].map((byte) => byte.toString(16).padStart(2, '0')).join(' ');
  if (bytes[0] !== 0 || bytes[1] !== 0 || !(bytes[2] in typeNames))
    throw new DataFormatError(
      file,
      `bad magic: expected 00 00 08 ${axes === undefined ? 'and the number of axes' : `0${axes}`}, received ${magic}`,
      'point to an IDX file (plain or .gz), as train-images-idx3-ubyte of MNIST',
    );
  if (bytes[2] !== 0x08)
    throw new DataFormatError(
      file,
      `holds ${typeNames[bytes[2]]}, expected unsigned bytes (magic ${magic})`,
      'convert the values to unsigned bytes, or pass them to dataset() as a Float32Array',
    );
  const count = bytes[3];
  if (count === 0 || (axes !== undefined && count !== axes))
    throw new DataFormatError(
      file,
      `has ${count} axes, expected ${axes ?? 'at least 1'} (magic ${magic})`,
      axes === 1 || axes === 3
        ? 'check that the image and the label file are not swapped (images have 3 axes, labels 1)'
        : 'point to an IDX file with the right number of axes',
    );
  const headerBytes = 4 + 4 * count;
  if (bytes.length < headerBytes)
    throw new DataFormatError(
      file,
      `truncated: the header of ${count} axes takes ${headerBytes} bytes, the file has ${bytes.length}`,
      `fetch ${file} again`,
    );
  const view = new DataView(bytes.buffer, bytes.byteOffset, headerBytes);
  const shape: number[] = [];
  let elements = 1;
  for (let axis = 0; axis < count; axis++) {
    const length = view.getUint32(4 + 4 * axis);
    shape.push(length);
    elements *= length;
  }
  if (shape.includes(0))
    throw new DataFormatError(
      file,
      `is empty: the header says [${shape.join(', ')}]`,
      'point to a file with at least one example',
    );
  // Up to 255 axes of 32 bits: a product past 2^53 is no longer exact, and no file can be that long.
  if (!Number.isSafeInteger(elements + headerBytes))
    throw new DataFormatError(
      file,
      `the header claims [${shape.slice(0, 8).join(', ')}${count > 8 ? ', ...' : ''}], more values than any file holds`,
      `fetch ${file} again; its header is damaged`,
    );
  return { shape, headerBytes, totalBytes: headerBytes + elements };
}

/** Deflate expands at most 1032 times (RFC 1951: 258 bytes from 2 bits), so a larger claim is false. */
const maxInflation = 1032;

async function gunzipIdx(bytes: Uint8Array, options: IdxOptions): Promise<Uint8Array> {
  const { file } = options;
  const reader = new Blob([new Uint8Array(bytes)])
    .stream()
    .pipeThrough(new DecompressionStream('gzip'))
    .getReader();
  let head = new Uint8Array(0);
  let out: Uint8Array | undefined;
  let filled = 0;
  try {
    for (;;) {
      const { done, value } = await reader.read();
      if (done) break;
      if (out === undefined) {
        head = concat(head, value);
        if (head.length < 4 || head.length < 4 + 4 * head[3]) continue;
        const { totalBytes, shape } = parseHeader(head, options);
        if (totalBytes > bytes.length * maxInflation)
          throw new DataFormatError(
            file,
            `truncated: the header says [${shape.join(', ')}], which takes ${totalBytes} bytes, more than ` +
              `${bytes.length} compressed bytes can hold`,
            `fetch ${file} again; the download was cut short`,
          );
        out = new Uint8Array(totalBytes);
        filled = append(out, 0, head, file);
      } else filled = append(out, filled, value, file);
    }
  } catch (cause) {
    if (cause instanceof DataFormatError) {
      await reader.cancel();
      throw cause;
    }
    throw new DataFormatError(
      file,
      `is damaged: ${bytes.length} bytes do not inflate as gzip (after ${filled || head.length} inflated bytes)`,
      `fetch ${file} again, or unpack it with gunzip to see what is wrong`,
      { cause },
    );
  }
  return out === undefined ? head : out.subarray(0, filled);
}

function append(out: Uint8Array, filled: number, chunk: Uint8Array, file: string): number {
  if (filled + chunk.length > out.length)
    throw new DataFormatError(
      file,
      `oversized: the header's shape takes ${out.length} bytes, the inflated file has at least ${filled + chunk.length}`,
      `fetch ${file} again, or remove the bytes behind the data`,
    );
  out.set(chunk, filled);
  return filled + chunk.length;
}

function concat(a: Uint8Array, b: Uint8Array): Uint8Array<ArrayBuffer> {
  const joined = new Uint8Array(a.length + b.length);
  joined.set(a);
  joined.set(b, a.length);
  return joined;
}
