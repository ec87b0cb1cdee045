/** What a primitive's lowering rule may ask of the tape that is being built. */
import type { KernelName } from '../../kernels/table.js';
import type { Node, NodeId, ScalarRef } from '../graph.js';
import type { ScalarOperand } from '../tape.js';

/** A region of memory before it has an address: scratch (to be planned), or a place in a named space. */
export type Region =
  | { readonly scratch: number; readonly length: number }
  | { readonly space: string; readonly offset: number; readonly length: number };

export interface EmitOptions {
  /** Operands (by position) whose memory the result may take over if they are not read later. */
  readonly reuse?: readonly number[];
}

export interface LowerContext {
  /** Sizes of a node at the widths of this tape. */
  shape(id: NodeId): readonly number[];
  /** Memory of an input of a node. */
  input(node: Node, input: number): Region;
  inputs(node: Node): Region[];
  /** New memory for the value of a node. */
  output(node: Node): Region;
  /** New memory for the value of a node, holding a copy of one of its inputs; no copy where the input is not read later. */
  copyOf(node: Node, input: number): Region;
  /** The places (u32) that a max pool keeps. */
  places(pool: NodeId): Region;
  emit(
    kernel: KernelName,
    operands: readonly Region[],
    scalars: readonly ScalarOperand[],
    options?: EmitOptions,
  ): void;
  scalar: (value: ScalarRef) => ScalarOperand;
  /** key0, key1, blockLow, blockHigh, step, site. */
  randomAddress(site: number): ScalarOperand[];
  /** Scalars of the convolution kernels, of batch to outWidth. */
  convScalars(node: Node, image: readonly number[], result: readonly number[]): ScalarOperand[];

  /** Calls that other parts of the builder make with a destination of their own. `beta`: what is kept of the old value. */
  gemm(node: Node, destination: Region, beta?: ScalarRef): void;
  conv2d(node: Node, destination: Region): void;
  conv2dWeightGrad(node: Node, destination: Region, beta?: ScalarRef): void;
  sumChannels(node: Node, destination: Region, beta?: ScalarRef): void;
  crossEntropy(node: Node): void;
  crossEntropyDelta(node: Node): void;
}
