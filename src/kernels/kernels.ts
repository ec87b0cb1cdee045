import type { AnyArray, KernelBuffer } from './buffer.js';
import type { Dtype } from './define.js';
import type { KernelFunctions } from './generated/interface.js';
import type { KernelName } from './table.js';

export type BackendName = 'native' | 'wasm' | 'reference';
/** Whether the products of a gemm or convolution chain are fused with their sum (docs/kernels.md). */
export type Profile = 'fma' | 'plain';

export interface ArrayOfDtype {
  f32: Float32Array;
  f64: Float64Array;
  u8: Uint8Array;
  i8: Int8Array;
  u16: Uint16Array;
  i32: Int32Array;
  u32: Uint32Array;
}

/** A kernel with its operands settled: what an executor calls again and again with new scalars. */
export type BoundKernel = (scalars: ArrayLike<number>) => number;

/** A loaded back end: every kernel of the table as a synchronous function, and memory for its operands. */
export interface Kernels extends KernelFunctions {
  readonly backend: BackendName;
  /** `avx512`, `avx2`, `base`, `neon`, `wasm-simd` or `javascript`. */
  readonly isa: string;
  readonly profile: Profile;
  /** Memory for `length` elements (default float32), zeroed, aligned to 64 bytes where the back end can. */
  alloc(length: number): KernelBuffer<Float32Array>;
  alloc<D extends Dtype>(length: number, dtype: D): KernelBuffer<ArrayOfDtype[D]>;
  /**
   * Settles the operands of a kernel: `operands` in the table's order, views of memory from `alloc` or any typed arrays (those are
   * used in place, or copied in and out where the back end cannot reach them); an empty array leaves an optional operand out.
   * Lengths are not checked again.
   */
  bind(name: KernelName, operands: readonly AnyArray[]): BoundKernel;
  dispose(): void;
}
