/** Model folders of a test, written without the library: safetensors bytes, configurations, tokenizers. */
import { mkdirSync, readFileSync, writeFileSync } from 'node:fs';
import { dirname, join } from 'node:path';

export interface RawTensor {
  readonly dtype: string;
  readonly shape: readonly number[];
  readonly bytes: Uint8Array;
}

export function f32(shape: readonly number[], values: ArrayLike<number>): RawTensor {
  const array = Float32Array.from(values);
  return { dtype: 'F32', shape, bytes: new Uint8Array(array.buffer) };
}

export function raw(dtype: string, shape: readonly number[], bytes: ArrayLike<number>): RawTensor {
  return { dtype, shape, bytes: Uint8Array.from(bytes) };
}

/** The bytes of a safetensors file. */
export function tensorFile(tensors: Readonly<Record<string, RawTensor>>): Uint8Array {
  let offset = 0;
  const header = Object.fromEntries(
    Object.entries(tensors).map(([name, { dtype, shape, bytes }]) => {
      const begin = offset;
      offset += bytes.length;
      return [name, { dtype, shape, data_offsets: [begin, offset] }];
    }),
  );
  const json = new TextEncoder().encode(JSON.stringify(header));
  const file = new Uint8Array(8 + json.length + offset);
  new DataView(file.buffer).setBigUint64(0, BigInt(json.length), true);
  file.set(json, 8);
  let at = 8 + json.length;
  for (const { bytes } of Object.values(tensors)) {
    file.set(bytes, at);
    at += bytes.length;
  }
  return file;
}

/** Writes files by their path within a folder: text, bytes, or a value as JSON. */
export function writeFiles(
  folder: string,
  files: Readonly<Record<string, string | Uint8Array | object>>,
): string {
  for (const [name, content] of Object.entries(files)) {
    const path = join(folder, name);
    mkdirSync(dirname(path), { recursive: true });
    const isText = typeof content === 'string' || content instanceof Uint8Array;
    writeFileSync(path, isText ? content : JSON.stringify(content));
  }
  return folder;
}

export function writeModelFolder(
  folder: string,
  tensors: Readonly<Record<string, RawTensor>>,
  files: Readonly<Record<string, string | Uint8Array | object>> = {},
): string {
  return writeFiles(folder, { 'model.safetensors': tensorFile(tensors), ...files });
}

/** The tensors of a file, read without the library. */
export function readTensors(folder: string, file = 'model.safetensors'): Map<string, RawTensor> {
  const bytes = readFileSync(join(folder, file));
  const length = Number(bytes.readBigUInt64LE(0));
  const header = JSON.parse(bytes.toString('utf8', 8, 8 + length)) as Record<
    string,
    { dtype: string; shape: number[]; data_offsets: [number, number] }
  >;
  return new Map(
    Object.entries(header)
      .filter(([name]) => name !== '__metadata__')
      .map(
        ([
          name,
          {
            dtype,
            shape,
            data_offsets: [begin, end],
          },
        ]) => [
          name,
          { dtype, shape, bytes: new Uint8Array(bytes.subarray(8 + length + begin, 8 + length + end)) },
        ],
      ),
  );
}

/** Values of a float tensor as float64. */
export function valuesOf({ dtype, bytes }: RawTensor): number[] {
  const view = new DataView(bytes.slice().buffer);
  if (dtype === 'F32')
    return Array.from({ length: bytes.length / 4 }, (_, i) => view.getFloat32(4 * i, true));
  if (dtype !== 'BF16') throw new Error(`values of ${dtype} are not read here`);
  return Array.from({ length: bytes.length / 2 }, (_, i) => {
    const word = new DataView(new ArrayBuffer(4));
    word.setUint16(2, view.getUint16(2 * i, true), true);
    return word.getFloat32(0, true);
  });
}

export function readJson(folder: string, name: string): Record<string, unknown> {
  return JSON.parse(readFileSync(join(folder, name), 'utf8')) as Record<string, unknown>;
}
