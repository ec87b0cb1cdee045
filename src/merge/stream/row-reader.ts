/** Reading inputs whose rows are not those of the output, as float32 rows of the output. */
import type { Kernels } from '../../kernels/kernels.js';
import { bytesOf } from '../../tensor/safetensors/dtype.js';
import type { ModelSource, TensorInfo } from '../../tensor/safetensors/source.js';
import type { InputTensor, RowFill, RowMapping } from '../plan.js';
import { widen } from './element-codec.js';

/** Fills float32 elements [begin, begin + out.length) of the tensor that the output sees. */
export type RowReader = (out: Float32Array, begin: number) => Promise<void>;

export function createRowReader(
  input: InputTensor & { readonly rows: RowMapping },
  sources: readonly ModelSource[],
  infoOf: (model: number, name: string) => TensorInfo,
  kernels: Kernels,
): RowReader {
  const info = infoOf(input.model, input.name);
  const read = async (from: TensorInfo, model: number, begin: number, out: Float32Array): Promise<void> => {
    const bytes = new Uint8Array(bytesOf(from.dtype, out.length));
    await sources[model].readBytes(from, begin, begin + out.length, bytes);
    widen(kernels, out, bytes, from.dtype);
  };
  if (input.rows.kind === 'cut') {
    const width = rowLength(input.rows.shape);
    const stored = rowLength(info.shape);
    return (out, begin) =>
      bySegments(out, begin, width, (row, column, part) =>
        read(info, input.model, row * stored + column, part),
      );
  }
  const { from, fill } = input.rows;
  const width = rowLength(info.shape);
  const fills = new Map(fill.map((each) => [each.row, each]));
  const filled = new Map<RowFill, Promise<Float32Array>>();
  const fillRow = async ({ from: rows }: RowFill): Promise<Float32Array> => {
    const sum = new Float64Array(width);
    const row = new Float32Array(width);
    for (const { model, name, row: index } of rows) {
      await read(infoOf(model, name), model, index * width, row);
      for (let i = 0; i < width; i++) sum[i] += row[i];
    }
    return Float32Array.from(sum, (total) => (rows.length === 0 ? 0 : total / rows.length));
  };
  return (out, begin) =>
    bySegments(out, begin, width, async (row, column, part) => {
      if (from[row] >= 0) return read(info, input.model, from[row] * width + column, part);
      const known = fills.get(row);
      if (known === undefined) return void part.fill(0);
      if (!filled.has(known)) filled.set(known, fillRow(known));
      part.set(((await filled.get(known)) ?? new Float32Array(width)).subarray(column, column + part.length));
    });
}

const rowLength = (shape: readonly number[]): number => shape.slice(1).reduce((n, size) => n * size, 1);

async function bySegments(
  out: Float32Array,
  begin: number,
  width: number,
  use: (row: number, column: number, part: Float32Array) => Promise<void>,
): Promise<void> {
  for (let at = 0; at < out.length; ) {
    const row = Math.floor((begin + at) / width);
    const column = begin + at - row * width;
    const count = Math.min(width - column, out.length - at);
    await use(row, column, out.subarray(at, at + count));
    at += count;
  }
}
