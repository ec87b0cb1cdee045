/** The WASM back end: kernels on raw offsets into one unshared memory, with the reference's argument checks. */
import { byteLength } from './allocate.js';
import { type AnyArray, type KernelBuffer, makeBuffer } from './buffer.js';
import { arrayTypes, checker, type VectorList } from './checked.js';
import { type Dtype, type KernelSpec, lengthSymbols, symbolSources } from './define.js';
import { BackendUnavailableError } from './errors.js';
import type { KernelFunctions } from './generated/interface.js';
import type { ArrayOfDtype, BoundKernel, Kernels } from './kernels.js';
import { type KernelName, kernelNames, specs } from './table.js';
import { WasmHeap } from './wasm-memory.js';

type WasmFunction = (...args: number[]) => number;

/** Instantiates the engine. `module` is compiled `engine.wasm`; every call makes its own memory. */
export async function createWasm(module: WebAssembly.Module): Promise<Kernels> {
  // One page less than 4 GiB: the end of an operand in the last page would be address 0, and no loop would reach it.
  const memory = new WebAssembly.Memory({ initial: 16, maximum: 65_535 });
  const imports = { env: { memory, abort: abortFromWasm } };
  const instance = await WebAssembly.instantiate(module, imports);
  const { __heap_base: heapBase } = instance.exports;
  // Allocating from a guess could lie on top of the kernels' own scratch memory.
  if (!(heapBase instanceof WebAssembly.Global))
    throw new BackendUnavailableError(
      'wasm',
      [{ what: 'engine.wasm', why: 'it does not export __heap_base' }],
      'use the engine.wasm of this version of the package',
    );
  const heap = new WasmHeap(memory, Number(heapBase.value));
  const functions = Object.fromEntries(
    kernelNames.map((name) => [name, wrap(name, instance.exports[name] as WasmFunction, heap)]),
  ) as unknown as KernelFunctions;
  return {
    ...functions,
    backend: 'wasm',
    isa: 'wasm-simd',
    profile: 'plain',
    alloc: <D extends Dtype>(length: number, dtype?: D) => {
      const type = arrayTypes[dtype ?? 'f32'];
      const start = heap.allocate(byteLength(length, dtype ?? 'f32'));
      const view = (): AnyArray => new type(memory.buffer, start, length);
      view().fill(0);
      return makeBuffer(length, view, () => heap.release(start)) as KernelBuffer<AnyArray> as KernelBuffer<
        ArrayOfDtype[D] & Float32Array
      >;
    },
    bind: (name, operands) => bind(name, instance.exports[name] as WasmFunction, operands, heap),
    dispose: () => {},
  };
}

function abortFromWasm(_message: number, _file: number, line: number, column: number): never {
  throw new WebAssembly.RuntimeError(`assertion failed at ${line}:${column} of the WebAssembly engine`);
}

interface Staged {
  start: number;
  array: AnyArray;
  writes: boolean;
}

/** Offset of an array in WASM memory (0 for an empty one), or undefined where it lives elsewhere. */
function offsetInside(heap: WasmHeap, array: AnyArray): number | undefined {
  if (array.length === 0) return 0;
  return array.buffer === heap.memory.buffer ? array.byteOffset : undefined;
}

/** Offset of a scratch block for an array that lives elsewhere; one that is read is copied there. */
function stage(heap: WasmHeap, array: AnyArray, reads: boolean, writes: boolean, staged: Staged[]): number {
  const start = heap.allocate(array.byteLength);
  staged.push({ start, array, writes });
  if (reads) bytesOf(heap, start, array.byteLength).set(bytesIn(array));
  return start;
}

function bytesOf(heap: WasmHeap, start: number, length: number): Uint8Array {
  return new Uint8Array(heap.memory.buffer, start, length);
}

function bytesIn(array: AnyArray): Uint8Array {
  return new Uint8Array(array.buffer, array.byteOffset, array.byteLength);
}

function wrap(
  name: KernelName,
  body: WasmFunction,
  heap: WasmHeap,
): (...args: unknown[]) => number | undefined {
  const spec: KernelSpec = specs[name];
  const check = checker(name, spec);
  return (...received) => {
    const { args, lengths } = check(received);
    const staged: Staged[] = [];
    const pointers: number[] = [];
    const scalars: number[] = [];
    // Staging may grow the memory, which detaches the views that point into it and makes them empty: their offsets are
    // read before anything is staged.
    const inside = args.map((value) => {
      if (typeof value === 'number') return undefined;
      return ArrayBuffer.isView(value)
        ? offsetInside(heap, value)
        : value.map((vector) => offsetInside(heap, vector));
    });
    try {
      spec.args.forEach((arg, i) => {
        const value = args[i];
        const offset = inside[i];
        if (typeof value === 'number') scalars.push(value);
        else if (Array.isArray(offset)) pointers.push(stageList(heap, value as VectorList, offset, staged));
        else if (arg.kind === 'vec')
          pointers.push(
            offset ?? stage(heap, value as AnyArray, arg.access !== 'out', arg.access !== 'in', staged),
          );
      });
      const result = body(...pointers, ...lengths, ...scalars);
      for (const { start, array, writes } of staged)
        if (writes) bytesIn(array).set(bytesOf(heap, start, array.byteLength));
      return spec.returns === 'void' ? undefined : signed(spec, result);
    } finally {
      for (const { start } of staged) heap.release(start);
    }
  };
}

function signed(spec: KernelSpec, result: number): number {
  return spec.returns === 'u32' ? result >>> 0 : result;
}

function stageList(
  heap: WasmHeap,
  vectors: VectorList,
  inside: readonly (number | undefined)[],
  staged: Staged[],
): number {
  const offsets = vectors.map((vector, k) => inside[k] ?? stage(heap, vector, true, false, staged));
  return stage(heap, Uint32Array.from(offsets), true, false, staged);
}

function bind(
  name: KernelName,
  body: WasmFunction,
  operands: readonly AnyArray[],
  heap: WasmHeap,
): BoundKernel {
  const spec: KernelSpec = specs[name];
  const inside = operands.every((array) => array.length === 0 || array.buffer === heap.memory.buffer);
  if (!inside) return bindForeign(name, body, operands, heap);
  const symbols = lengthSymbols(spec);
  const scalarArgs = spec.args.filter((arg) => arg.kind === 'scalar');
  const pointers = operands.map((array) => (array.length === 0 ? 0 : array.byteOffset));
  const values: number[] = [...pointers, ...symbols.map(() => 0), ...scalarArgs.map(() => 0)];
  const lengthsAt = operands.length;
  const scalarsAt = lengthsAt + symbols.length;
  const lengthOf = freeLengths(spec, operands);
  return (scalars) => {
    for (let s = 0; s < scalarArgs.length; s++) values[scalarsAt + s] = scalars[s];
    for (let l = 0; l < symbols.length; l++) values[lengthsAt + l] = lengthOf[l](scalars);
    return signed(spec, body(...values));
  };
}

function bindForeign(
  name: KernelName,
  body: WasmFunction,
  operands: readonly AnyArray[],
  heap: WasmHeap,
): BoundKernel {
  const call = wrap(name, body, heap);
  const { args } = specs[name];
  return (scalars) => {
    let operand = 0;
    let next = 0;
    return call(...args.map((arg) => (arg.kind === 'scalar' ? scalars[next++] : operands[operand++]))) ?? 0;
  };
}

/** One function a free length; those that are a size divided by scalars look at the scalars of the call. */
function freeLengths(
  spec: KernelSpec,
  operands: readonly AnyArray[],
): ((scalars: ArrayLike<number>) => number)[] {
  const scalarNames = spec.args.filter((arg) => arg.kind === 'scalar').map((arg) => arg.name);
  const operandOf = spec.args.map(
    (_, i) => spec.args.slice(0, i).filter((arg) => arg.kind !== 'scalar').length,
  );
  return symbolSources(spec).map(({ arg, factors }) => {
    const size = operands[operandOf[arg]].length;
    if (factors.length === 0) return () => size;
    const at = factors.map((factor) => scalarNames.indexOf(factor));
    return (scalars) => {
      let divisor = 1;
      for (const index of at) divisor *= scalars[index];
      return divisor === 0 ? 0 : size / divisor;
    };
  });
}
