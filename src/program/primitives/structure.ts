import { multiplyDims, sameDim } from '../dims.js';
import { type Primitive, ShapeProblem } from '../primitive.js';
import { firstShape } from './elementwise.js';

export const structure = {
  /** The same elements in row-major order under another shape. */
  reshape: {
    perExample: 'direct',
    shape([x], { shape }) {
      if (shape === undefined) throw new TypeError('reshape needs a shape');
      // Only what stands behind a leading axis that stays may change: that is all flattening needs.
      const kept = x.length > 0 && shape.length > 0 && sameDim(x[0], shape[0]) ? 1 : 0;
      const from = multiplyDims(x.slice(kept));
      const to = multiplyDims(shape.slice(kept));
      if (from === undefined || to === undefined || !sameDim(from, to))
        throw new ShapeProblem(
          (show) => `cannot see ${show(x)} as ${show(shape)}`,
          'the number of elements has to stay',
        );
      return shape;
    },
    vjp: (emit, node, g) => emit.op('reshape', [g], { shape: emit.shape(node.inputs[0]) }),
    jvp: (emit, node, [t]) => (t === null ? null : emit.op('reshape', [t], node.attributes)),
    view: true,
  },
  transpose: {
    perExample: 'direct',
    shape([x]) {
      if (x.length !== 2)
        throw new ShapeProblem((show) => `wants a matrix, received ${show(x)}`, 'pass two axes');
      return [x[1], x[0]];
    },
    vjp: (emit, _node, g) => emit.op('transpose', [g]),
    jvp: (emit, _node, [t]) => (t === null ? null : emit.op('transpose', [t])),
    lower(context, node) {
      const [rows, cols] = context.shape(node.inputs[0]);
      context.emit(
        'transposeF32',
        [context.output(node), context.input(node, 0)],
        [context.scalar(rows), context.scalar(cols)],
      );
    },
  },
  /** The identity, with derivative zero. */
  stopGradient: {
    perExample: 'direct',
    shape: firstShape,
    vjp: () => null,
    jvp: () => null,
    view: true,
  },
} satisfies Record<string, Primitive>;
