/**
 * Evaluates graphs in float64, one node after another, with loops that follow the definitions.
 *
 * Slow and obviously right: what derivatives and tapes are checked against.
 */
import type { RandomKey } from '../kernels/address.js';
import { philox4x32 } from '../kernels/reference/philox.js';
import { elementCount, kBatch, resolveShape, type Widths } from './dims.js';
import { type Graph, type Node, type NodeId, neededBy, type ScalarRef } from './graph.js';
import { imageRules } from './interpret-image.js';
import type { Evaluation, Rule } from './interpret-rule.js';

export interface InterpretOptions {
  readonly batch: number;
  /** Units of groups that differ from the graph's. */
  readonly widths?: Widths;
  /** Values of the leaves by name. */
  readonly feeds: Readonly<Record<string, ArrayLike<number>>>;
  /** Run-time scalars by name. */
  readonly scalars?: Readonly<Record<string, number>>;
  /** Key and step of dropout and of random leaves. */
  readonly random?: RandomKey & { readonly step: number };
}

/** Values of the outputs, in order, row-major. */
export function interpret(
  graph: Graph,
  outputs: readonly NodeId[],
  options: InterpretOptions,
): Float64Array[] {
  const { batch, feeds, scalars = {}, random } = options;
  const widths = { ...graph.widths, ...options.widths, [kBatch]: batch };
  const values = new Map<NodeId, Float64Array>();
  const places = new Map<NodeId, Int32Array>();
  const needed = neededBy(graph, outputs);
  const stored = (id: NodeId): Float64Array => values.get(id) ?? missing(graph.nodes[id]);
  const scalar = (value: ScalarRef | undefined): number => {
    if (value === undefined || typeof value === 'number') return value ?? 1;
    const given = scalars[value.runtime];
    if (given === undefined) throw new RangeError(`no value for the run-time scalar ${value.runtime}`);
    return given;
  };
  const uniform = (index: number, site: number): number => {
    if (!random) throw new RangeError('no key for random numbers');
    const words = philox4x32(index >> 2, 0, random.step, site, random.key0, random.key1);
    return (words[index & 3] >>> 8) / 2 ** 24;
  };
  for (const node of graph.nodes) {
    if (!needed.has(node.id)) continue;
    const shape = resolveShape(node.shape, widths);
    const size = elementCount(shape);
    if (node.op === 'input' || node.op === 'param') {
      const value = feeds[node.attributes.name ?? ''];
      if (value === undefined || value.length !== size)
        throw new RangeError(
          `${node.op} '${node.attributes.name}' wants ${size} values, fed ${value?.length}`,
        );
      values.set(node.id, Float64Array.from(value));
      continue;
    }
    const result = rules[node.op]({
      node,
      shape,
      inputs: node.inputs.map(stored),
      shapes: node.inputs.map((id) => resolveShape(graph.nodes[id].shape, widths)),
      places: (input) => places.get(node.inputs[input]) ?? missing(node),
      keepPlaces: (kept) => places.set(node.id, kept),
      scalar,
      uniform,
    });
    values.set(
      node.id,
      typeof result === 'function' ? Float64Array.from({ length: size }, (_, i) => result(i)) : result,
    );
  }
  return outputs.map(stored);
}

function missing({ op, id }: Node): never {
  throw new RangeError(`node ${id} (${op}) has no value`);
}

/** Elements behind axis 0. */
const columns = (shape: readonly number[]): number => elementCount(shape.slice(1));

/** Index along axis 1. */
const channelOf = (i: number, shape: readonly number[]): number =>
  Math.floor(i / elementCount(shape.slice(2))) % shape[1];

const total = (count: number, term: (i: number) => number): number => {
  let sum = 0;
  for (let i = 0; i < count; i++) sum += term(i);
  return sum;
};

/** log sum exp of one row of logits. */
function logSumExp(z: Float64Array, row: number, classes: number): number {
  const logits = z.subarray(row * classes, (row + 1) * classes);
  const top = logits.reduce((most, logit) => Math.max(most, logit), Number.NEGATIVE_INFINITY);
  return top + Math.log(total(classes, (c) => Math.exp(logits[c] - top)));
}

const softmaxAt = (z: Float64Array, i: number, classes: number): number =>
  Math.exp(z[i] - logSumExp(z, Math.floor(i / classes), classes));

/** A rule that works element by element of the result. */
const each =
  (element: (evaluation: Evaluation, i: number) => number): Rule =>
  (evaluation) =>
  (i) =>
    element(evaluation, i);

const rules: Readonly<Record<string, Rule>> = {
  fill: each(({ node, scalar }) => scalar(node.attributes.value ?? 0)),
  randomUniform: each(({ node, uniform }, i) => uniform(i, node.attributes.site ?? 0)),
  add: each(({ inputs: [a, b] }, i) => a[i] + b[i]),
  subtract: each(({ inputs: [a, b] }, i) => a[i] - b[i]),
  multiply: each(({ inputs: [a, b] }, i) => a[i] * b[i]),
  scale: each(({ inputs: [x], node, scalar }, i) => x[i] * scalar(node.attributes.value)),
  square: each(({ inputs: [x] }, i) => x[i] * x[i]),
  exp: each(({ inputs: [x] }, i) => Math.exp(x[i])),
  log: each(({ inputs: [x] }, i) => Math.log(x[i])),
  relu: each(({ inputs: [x] }, i) => (x[i] > 0 ? x[i] : 0)),
  reluGrad: each(({ inputs: [dy, y] }, i) => (y[i] > 0 ? dy[i] : 0)),
  tanh: each(({ inputs: [x] }, i) => Math.tanh(x[i])),
  tanhGrad: each(({ inputs: [dy, y] }, i) => dy[i] * (1 - y[i] * y[i])),
  sigmoid: each(({ inputs: [x] }, i) => 1 / (1 + Math.exp(-x[i]))),
  sigmoidGrad: each(({ inputs: [dy, y] }, i) => dy[i] * y[i] * (1 - y[i])),
  dropout: each(({ inputs: [x], node: { attributes }, uniform }, i) => {
    const { rate = 0, site = 0 } = attributes;
    return uniform(i, site) < rate ? 0 : x[i] / (1 - rate);
  }),
  reshape: ({ inputs: [x] }) => x,
  stopGradient: ({ inputs: [x] }) => x,
  transpose: each(
    ({ inputs: [x], shapes: [[rows, cols]] }, i) => x[(i % rows) * cols + Math.floor(i / rows)],
  ),
  matmul: each(({ inputs: [a, b], shapes: [[aRows, aCols], [, bCols]], shape: [, n], node }, i) => {
    const { transA = false, transB = false } = node.attributes;
    const [row, column] = [Math.floor(i / n), i % n];
    const left = (k: number) => (transA ? a[k * aCols + row] : a[row * aCols + k]);
    const right = (k: number) => (transB ? b[column * bCols + k] : b[k * bCols + column]);
    return total(transA ? aRows : aCols, (k) => left(k) * right(k));
  }),
  addBias: each(({ inputs: [x, bias], shape }, i) => x[i] + bias[channelOf(i, shape)]),
  sumChannels: each(({ inputs: [x], shapes: [shape] }, c) =>
    total(x.length, (i) => (channelOf(i, shape) === c ? x[i] : 0)),
  ),
  broadcastChannels: each(({ inputs: [x], shape }, i) => x[channelOf(i, shape)]),
  sumRows: each(({ inputs: [x], shapes: [shape] }, row) =>
    total(columns(shape), (j) => x[row * columns(shape) + j]),
  ),
  broadcastRows: each(({ inputs: [x], shape }, i) => x[Math.floor(i / columns(shape))]),
  scaleRows: each(({ inputs: [x, factors], shape }, i) => x[i] * factors[Math.floor(i / columns(shape))]),
  sumAll: each(({ inputs: [x] }) => total(x.length, (i) => x[i])),
  broadcastAll: each(({ inputs: [x] }) => x[0]),
  softmax: each(({ inputs: [z], shape: [, classes] }, i) => softmaxAt(z, i, classes)),
  logSoftmax: each(({ inputs: [z], shape: [, classes] }, i) => {
    return z[i] - logSumExp(z, Math.floor(i / classes), classes);
  }),
  softmaxCrossEntropy: each(({ inputs: [z, labels], shapes: [[, classes]] }, row) => {
    return logSumExp(z, row, classes) - z[row * classes + labels[row]];
  }),
  softmaxDelta: each(({ inputs: [z, labels], shape: [, classes], node, scalar }, i) => {
    const hit = labels[Math.floor(i / classes)] === i % classes ? 1 : 0;
    return (softmaxAt(z, i, classes) - hit) * scalar(node.attributes.value);
  }),
  ...imageRules,
};
