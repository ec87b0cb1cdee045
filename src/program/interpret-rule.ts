/** What a rule of the float64 interpreter sees and returns. */
import type { Node, ScalarRef } from './graph.js';

/** A node being evaluated: its inputs' values and shapes. */
export interface Evaluation {
  readonly node: Node;
  readonly inputs: readonly Float64Array[];
  readonly shapes: readonly (readonly number[])[];
  readonly shape: readonly number[];
  /** Of a max pool among the inputs: the flat places of its maxima. */
  readonly places: (input: number) => Int32Array;
  readonly keepPlaces: (places: Int32Array) => void;
  readonly scalar: (value: ScalarRef | undefined) => number;
  readonly uniform: (index: number, site: number) => number;
}

/** All values of a node, or its value at a flat index. */
export type Rule = (evaluation: Evaluation) => Float64Array | ((index: number) => number);
