/** Inputs that are not merged as they are stored: scaled, other rows, or a low-rank term added. They are read as float32. */
import type { Kernels } from '../../kernels/kernels.js';
import { createCodec } from '../../tensor/safetensors/codecs.js';
import { bytesOf } from '../../tensor/safetensors/dtype.js';
import { loadScaler, type ScaleInfo, type Scaler } from '../../tensor/safetensors/scales.js';
import type { ModelSource, TensorInfo } from '../../tensor/safetensors/source.js';
import type { InputTensor, LowRankTerm, RowFill, RowMapping } from '../plan.js';

/** Fills the elements [begin, begin + out.length) of the tensor as the output sees it. */
export type AlteredInput = (out: Float32Array, begin: number) => Promise<void>;

export interface InputAccess {
  readonly sources: readonly ModelSource[];
  readonly kernels: Kernels;
  infoOf(model: number, name: string): TensorInfo;
}

/** Whether an input has to be read this way. */
export function isAltered({ rows, adapter, scale }: InputTensor): boolean {
  return rows !== undefined || adapter !== undefined || scale !== undefined;
}

/** Reads an input as float32, altered or not. */
export function openInput(access: InputAccess, input: InputTensor): AlteredInput {
  const stored = withAdapter(access, input);
  const { rows } = input;
  if (rows === undefined) return stored;
  const info = access.infoOf(input.model, input.name);
  const inputWidth = widthOf(info.shape);
  if (rows.kind === 'cut') {
    const width = widthOf(rows.shape);
    // Rows of full width follow each other in the file too.
    if (width === inputWidth) return stored;
    return (out, begin) =>
      bySegments(out, begin, width, (row, column, part) => stored(part, row * inputWidth + column));
  }
  return permuted(access, rows, stored, inputWidth);
}

/** The tensor as its model has it; the scales are read once, before the first values. */
function stored(access: InputAccess, model: number, name: string, scale?: ScaleInfo): AlteredInput {
  const info = access.infoOf(model, name);
  const codec = createCodec(access.kernels, info.dtype, `tensor ${name}`);
  let scaler: Promise<Scaler> | undefined;
  return async (out, begin) => {
    if (scale !== undefined) scaler ??= loadScaler(access.sources[model], info, scale, access.kernels);
    const apply = await scaler;
    const bytes = new Uint8Array(bytesOf(info.dtype, out.length));
    await access.sources[model].readBytes(info, begin, begin + out.length, bytes);
    codec.widen(out, bytes);
    apply?.(out, begin);
  };
}

/** W + scale B A: a row of W and the directions of the adapter in one sum, rounded once. */
function withAdapter(access: InputAccess, input: InputTensor): AlteredInput {
  const plain = stored(access, input.model, input.name, input.scale);
  const { adapter } = input;
  if (adapter === undefined) return plain;
  const width = widthOf(access.infoOf(input.model, input.name).shape);
  let term: Promise<LoadedTerm> | undefined;
  return async (out, begin) => {
    term ??= loadTerm(access, adapter);
    const [{ directions, weightsOf }] = await Promise.all([term, plain(out, begin)]);
    await bySegments(out, begin, width, async (row, column, part) => {
      const parts = directions.map((direction) => direction.subarray(column, column + part.length));
      access.kernels.weightedSumF32(part, [part.slice(), ...parts], weightsOf(row));
    });
  };
}

interface LoadedTerm {
  /** One vector of the width of W for each rank. */
  readonly directions: readonly Float32Array[];
  /** 1 for W, then the weight of each direction in a row. */
  weightsOf(row: number): Float64Array;
}

async function loadTerm(access: InputAccess, term: LowRankTerm): Promise<LoadedTerm> {
  const { rank, scale, transposed } = term;
  const load = async (name: string): Promise<Float32Array> => {
    const values = new Float32Array(access.infoOf(term.model, name).size);
    await stored(access, term.model, name)(values, 0);
    return values;
  };
  // A is [rank, in], B is [out, rank].
  const [a, b] = await Promise.all([load(term.a), load(term.b)]);
  const aWidth = a.length / rank;
  const bRows = b.length / rank;
  const ofA = (k: number, i: number): number => a[k * aWidth + i];
  const ofB = (k: number, j: number): number => b[j * rank + k];
  const ranks = Array.from({ length: rank }, (_, k) => k);
  return {
    directions: ranks.map((k) =>
      transposed
        ? Float32Array.from({ length: bRows }, (_, j) => ofB(k, j))
        : a.subarray(k * aWidth, (k + 1) * aWidth),
    ),
    weightsOf: (row) =>
      Float64Array.of(1, ...ranks.map((k) => scale * (transposed ? ofA(k, row) : ofB(k, row)))),
  };
}

/** Rows in the order of the output's vocabulary. */
function permuted(
  access: InputAccess,
  { from, fill, meanFrom }: RowMapping & { kind: 'permute' },
  plain: AlteredInput,
  width: number,
): AlteredInput {
  const fills = new Map(fill.map((each) => [each.row, each]));
  const known = new Map<number, Promise<Float32Array>>();
  const fillRow = async (each: RowFill | undefined): Promise<Float32Array> => {
    const sum = new Float64Array(width);
    const row = new Float32Array(width);
    const rows = each?.from ?? [];
    for (const { model, name, row: index } of rows) {
      await stored(access, model, name)(row, index * width);
      for (let i = 0; i < width; i++) sum[i] += row[i];
    }
    return Float32Array.from(sum, (total) => (rows.length === 0 ? 0 : total / rows.length));
  };
  let padding: Promise<Float32Array> | undefined;
  const meanRow = async (count: number): Promise<Float32Array> => {
    const sum = new Float64Array(width);
    const block = new Float32Array(Math.max(1, Math.floor((1 << 20) / width)) * width);
    for (let at = 0; at < count * width; at += block.length) {
      const part = block.subarray(0, Math.min(block.length, count * width - at));
      await read(part, at);
      for (let i = 0; i < part.length; i++) sum[i % width] += part[i];
    }
    return Float32Array.from(sum, (total) => total / count);
  };
  const madeRow = (row: number): Promise<Float32Array> => {
    if (meanFrom !== undefined && row >= meanFrom) {
      padding ??= meanRow(meanFrom);
      return padding;
    }
    let made = known.get(row);
    if (made === undefined) {
      made = fillRow(fills.get(row));
      known.set(row, made);
    }
    return made;
  };
  const isStored = (row: number): boolean => from[row] >= 0 && (meanFrom === undefined || row < meanFrom);
  const read: AlteredInput = async (out, begin) => {
    for (let at = 0; at < out.length; ) {
      const row = Math.floor((begin + at) / width);
      const column = begin + at - row * width;
      // Rows that follow each other in both are read at once.
      let rows = 1;
      while (
        isStored(row) &&
        row + rows < from.length &&
        isStored(row + rows) &&
        from[row + rows] === from[row] + rows &&
        at + rows * width - column < out.length
      )
        rows++;
      const part = out.subarray(at, Math.min(out.length, at + rows * width - column));
      if (isStored(row)) await plain(part, from[row] * width + column);
      else part.set((await madeRow(row)).subarray(column, column + part.length));
      at += part.length;
    }
  };
  return read;
}

function widthOf(shape: readonly number[]): number {
  return shape.slice(1).reduce((n, size) => n * size, 1);
}

/** Calls for each row, or part of one, of [begin, begin + out.length), one after the other. */
async function bySegments(
  out: Float32Array,
  begin: number,
  width: number,
  use: (row: number, column: number, part: Float32Array) => Promise<void>,
): Promise<void> {
  for (let at = 0; at < out.length; ) {
    const row = Math.floor((begin + at) / width);
    const column = begin + at - row * width;
    const part = out.subarray(at, at + Math.min(width - column, out.length - at));
    await use(row, column, part);
    at += part.length;
  }
}
