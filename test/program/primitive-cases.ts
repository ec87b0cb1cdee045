/** Small graphs, one for each primitive, in which its inputs are leaves. */
import { batchDim, type Shape } from '../../src/program/dims.js';
import { type Graph, GraphBuilder, type NodeId, type Window } from '../../src/program/graph.js';
import { Emitter } from '../../src/program/primitive.js';
import { primitives } from '../../src/program/primitives/registry.js';

export interface PrimitiveCase {
  readonly name: string;
  /** Shapes of the leaves that are differentiated: x0, x1, ... */
  readonly inputs: readonly Shape[];
  /** Leaves take values in (0.2, 1.2) instead of (-1, 1). */
  readonly positive?: boolean;
  build(emit: Emitter, x: readonly NodeId[]): NodeId;
}

export const kCaseBatch = 3;

const window = (size: number, kernel: number, stride: number, padding: number): Window => {
  const out = Math.floor((size + 2 * padding - kernel) / stride) + 1;
  return { kernel, stride, padding, height: size, width: size, outHeight: out, outWidth: out };
};
const B = batchDim;
const matrix: Shape = [B, 4];
const images: Shape = [B, 2, 5, 5];

const unary = (op: string, positive = false): PrimitiveCase => ({
  name: op,
  inputs: [matrix],
  positive,
  build: (emit, x) => emit.op(op, x),
});
const binary = (op: string): PrimitiveCase => ({
  name: op,
  inputs: [matrix, matrix],
  build: (emit, x) => emit.op(op, x),
});
const conv = (label: string, w: Window): PrimitiveCase[] => [
  {
    name: `conv2d ${label}`,
    inputs: [images, [3, 2, w.kernel, w.kernel]],
    build: (emit, x) => emit.op('conv2d', x, { window: w }),
  },
  {
    name: `conv2dDataGrad ${label}`,
    inputs: [
      [B, 3, w.outHeight, w.outWidth],
      [3, 2, w.kernel, w.kernel],
    ],
    build: (emit, x) => emit.op('conv2dDataGrad', x, { window: w }),
  },
  {
    name: `conv2dWeightGrad ${label}`,
    inputs: [images, [B, 3, w.outHeight, w.outWidth]],
    build: (emit, x) => emit.op('conv2dWeightGrad', x, { window: w }),
  },
];
const pool = window(5, 2, 2, 0);
const pooled: Shape = [B, 2, 2, 2];

export const primitiveCases: readonly PrimitiveCase[] = [
  ...['relu', 'tanh', 'sigmoid', 'square', 'exp', 'softmax', 'logSoftmax', 'transpose'].map((op) =>
    unary(op),
  ),
  unary('log', true),
  ...['add', 'subtract', 'multiply', 'reluGrad', 'tanhGrad', 'sigmoidGrad'].map(binary),
  { name: 'scale', inputs: [matrix], build: (emit, x) => emit.op('scale', x, { value: -0.75 }) },
  {
    name: 'dropout',
    inputs: [matrix],
    build: (emit, x) => emit.op('dropout', x, { rate: 0.25, site: 2 }),
  },
  {
    name: 'randomUniform',
    inputs: [matrix],
    build: (emit, [x]) => emit.op('multiply', [x, emit.op('randomUniform', [], { shape: matrix, site: 3 })]),
  },
  {
    name: 'fill',
    inputs: [matrix],
    build: (emit, [x]) => emit.op('multiply', [x, emit.op('fill', [], { shape: matrix, value: 0.5 })]),
  },
  {
    name: 'reshape',
    inputs: [images],
    build: (emit, x) => emit.op('square', [emit.op('reshape', x, { shape: [B, 50] })]),
  },
  ...[false, true].flatMap((transA) =>
    [false, true].map((transB): PrimitiveCase => {
      const a: Shape = transA ? [4, B] : [B, 4];
      const b: Shape = transB ? [5, 4] : [4, 5];
      return {
        name: `matmul ${transA ? 'T' : 'N'}${transB ? 'T' : 'N'}`,
        inputs: [a, b],
        build: (emit, x) => emit.op('matmul', x, { transA, transB }),
      };
    }),
  ),
  { name: 'addBias', inputs: [images, [2]], build: (emit, x) => emit.op('addBias', x) },
  {
    name: 'sumChannels',
    inputs: [images],
    build: (emit, x) => emit.op('square', [emit.op('sumChannels', x)]),
  },
  {
    name: 'broadcastChannels',
    inputs: [[2]],
    build: (emit, x) => emit.op('square', [emit.op('broadcastChannels', x, { shape: images })]),
  },
  { name: 'sumRows', inputs: [images], build: (emit, x) => emit.op('square', [emit.op('sumRows', x)]) },
  {
    name: 'broadcastRows',
    inputs: [[B]],
    build: (emit, x) => emit.op('square', [emit.op('broadcastRows', x, { shape: images })]),
  },
  { name: 'scaleRows', inputs: [matrix, [B]], build: (emit, x) => emit.op('scaleRows', x) },
  { name: 'sumAll', inputs: [matrix], build: (emit, x) => emit.op('square', [emit.op('sumAll', x)]) },
  {
    name: 'broadcastAll',
    inputs: [[]],
    build: (emit, x) => emit.op('square', [emit.op('broadcastAll', x, { shape: matrix })]),
  },
  ...conv('same', window(5, 3, 1, 1)),
  ...conv('valid, stride 2', window(5, 3, 2, 0)),
  {
    name: 'maxPool',
    inputs: [images],
    build: (emit, x) => emit.op('square', [emit.op('maxPool', x, { window: pool })]),
  },
  {
    name: 'maxPool, windows that overlap',
    inputs: [images],
    build: (emit, x) => emit.op('square', [emit.op('maxPool', x, { window: window(5, 3, 1, 0) })]),
  },
  {
    name: 'maxPoolGrad',
    inputs: [pooled, images],
    build: (emit, [dy, x]) => {
      const y = emit.op('maxPool', [x], { window: pool });
      return emit.op('multiply', [x, emit.op('maxPoolGrad', [dy, y], { window: pool })]);
    },
  },
  {
    name: 'maxPoolGather',
    inputs: [images, images],
    build: (emit, [t, x]) => {
      const y = emit.op('maxPool', [x], { window: pool });
      return emit.op('multiply', [y, emit.op('maxPoolGather', [t, y], { window: pool })]);
    },
  },
  {
    name: 'averagePool',
    inputs: [images],
    build: (emit, x) => emit.op('square', [emit.op('averagePool', x, { window: pool })]),
  },
  {
    name: 'averagePoolGrad',
    inputs: [pooled],
    build: (emit, x) => emit.op('square', [emit.op('averagePoolGrad', x, { window: pool })]),
  },
  {
    name: 'softmaxCrossEntropy',
    inputs: [matrix],
    build: (emit, [z]) => emit.op('softmaxCrossEntropy', [z, labels(emit)]),
  },
  {
    name: 'softmaxDelta',
    inputs: [matrix],
    build: (emit, [z]) => emit.op('softmaxDelta', [z, labels(emit)], { value: 0.5 }),
  },
];

function labels(emit: Emitter): NodeId {
  return emit.op('input', [], { name: 'labels', shape: [B] });
}

export interface BuiltCase {
  readonly graph: Graph;
  readonly output: NodeId;
  readonly leaves: readonly NodeId[];
  /** Leaf of the output's shape, with which the output is weighted. */
  readonly cotangent: NodeId;
}

export function buildCase({ inputs, build }: PrimitiveCase): BuiltCase {
  const builder = new GraphBuilder();
  const emit = new Emitter(builder, primitives, 'forward', { layer: 'case', source: '' });
  const leaves = inputs.map((shape, i) => emit.op('input', [], { name: `x${i}`, shape }));
  const output = build(emit, leaves);
  const cotangent = emit.op('input', [], { name: 'cotangent', shape: builder.shape(output) });
  return { graph: builder.graph(), output, leaves, cotangent };
}
