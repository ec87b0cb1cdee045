import { type Shape, sameDim } from '../dims.js';
import type { Attributes } from '../graph.js';
import { type Primitive, ShapeProblem } from '../primitive.js';

/** Axis 1 is the channel; [batch, channels, ...space]. */
export function channelSizes(shape: readonly number[]): [batch: number, channels: number, spatial: number] {
  const [batch, channels, ...space] = shape;
  return [batch, channels, space.reduce((product, n) => product * n, 1)];
}

function matmulShape([a, b]: readonly Shape[], { transA = false, transB = false }: Attributes): Shape {
  if (a.length !== 2 || b.length !== 2)
    throw new ShapeProblem(
      (show) => `wants two matrices, received ${show(a)} and ${show(b)}`,
      'flatten images with t.flatten before a dense layer',
    );
  const [m, k] = transA ? [a[1], a[0]] : a;
  const [kOfB, n] = transB ? [b[1], b[0]] : b;
  if (!sameDim(k, kOfB))
    throw new ShapeProblem(
      (show) => `inner sizes of ${show(a)}${transA ? '^T' : ''} and ${show(b)}${transB ? '^T' : ''} differ`,
      'the columns of the left operand are the rows of the right one',
    );
  return [m, n];
}

export const linear = {
  /** op(a) op(b), op transposing where `transA`, `transB` say so. */
  matmul: {
    perExample: 'ghost',
    shape: matmulShape,
    vjp(emit, { inputs: [a, b], attributes: { transA = false, transB = false } }, g, input) {
      const product = (x: number, y: number, tx: boolean, ty: boolean) =>
        emit.op('matmul', [x, y], { transA: tx, transB: ty });
      if (input === 0) return transA ? product(b, g, transB, true) : product(g, b, false, !transB);
      return transB ? product(g, a, true, transA) : product(a, g, !transA, false);
    },
    jvp(emit, { inputs: [a, b], attributes }, [ta, tb]) {
      const left = ta === null ? null : emit.op('matmul', [ta, b], attributes);
      return emit.add(left, tb === null ? null : emit.op('matmul', [a, tb], attributes));
    },
    lower: (context, node) => context.gemm(node, context.output(node)),
  },

  /** x[b, c, ...] + bias[c]. */
  addBias: {
    perExample: 'direct',
    shape([x, bias]) {
      if (x.length < 2 || bias.length !== 1 || !sameDim(x[1], bias[0]))
        throw new ShapeProblem(
          (show) => `a bias of shape ${show(bias)} does not fit ${show(x)}`,
          'a bias has one value for each channel or output',
        );
      return x;
    },
    vjp: (emit, _node, g, input) => (input === 0 ? g : emit.op('sumChannels', [g])),
    jvp(emit, node, [tx, tb]) {
      if (tb === null) return tx;
      if (tx === null) return emit.op('broadcastChannels', [tb], { shape: node.shape });
      return emit.op('addBias', [tx, tb]);
    },
    lower(context, node) {
      const y = context.copyOf(node, 0);
      context.emit(
        'addBiasF32',
        [y, context.input(node, 1)],
        channelSizes(context.shape(node.id)).map(context.scalar),
      );
    },
  },

  /** Sum over every axis but the channels: the adjoint of a bias. */
  sumChannels: {
    perExample: 'couples',
    shape([x]) {
      if (x.length < 2)
        throw new ShapeProblem(
          (show) => `wants channels, received ${show(x)}`,
          'pass [batch, channels, ...]',
        );
      return [x[1]];
    },
    vjp: (emit, node, g) => emit.op('broadcastChannels', [g], { shape: emit.shape(node.inputs[0]) }),
    jvp: (emit, _node, [t]) => (t === null ? null : emit.op('sumChannels', [t])),
    lower: (context, node) => context.sumChannels(node, context.output(node)),
  },

  broadcastChannels: {
    perExample: 'direct',
    shape([x], { shape }) {
      if (shape === undefined || x.length !== 1 || shape.length < 2 || !sameDim(shape[1], x[0]))
        throw new ShapeProblem(
          (show) => `cannot spread ${show(x)} over the channels of ${show(shape ?? [])}`,
          'pass one value for each channel',
        );
      return shape;
    },
    vjp: (emit, _node, g) => emit.op('sumChannels', [g]),
    jvp: (emit, node, [t]) => (t === null ? null : emit.op('broadcastChannels', [t], node.attributes)),
    lower(context, node) {
      const y = context.output(node);
      context.emit('fillF32', [y], [context.scalar(0)]);
      context.emit(
        'addBiasF32',
        [y, context.input(node, 0)],
        channelSizes(context.shape(node.id)).map(context.scalar),
      );
    },
  },
} satisfies Record<string, Primitive>;
