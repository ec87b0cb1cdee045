import { elementCount, sameDim } from '../dims.js';
import { type Primitive, ShapeProblem } from '../primitive.js';

/** Sums and spreads over rows: axis 0 against all the others together. */
export const rows = {
  /** [r, ...] to [r]. */
  sumRows: {
    perExample: 'direct',
    shape([x]) {
      if (x.length < 1) throw new ShapeProblem(() => 'wants rows, received a scalar', 'pass [rows, ...]');
      return [x[0]];
    },
    vjp: (emit, node, g) => emit.op('broadcastRows', [g], { shape: emit.shape(node.inputs[0]) }),
    jvp: (emit, _node, [t]) => (t === null ? null : emit.op('sumRows', [t])),
    lower(context, node) {
      const [, ...columns] = context.shape(node.inputs[0]);
      context.emit(
        'sumSpatialRowsF32',
        [context.output(node), context.input(node, 0)],
        [elementCount(columns), 0].map(context.scalar),
      );
    },
  },
  broadcastRows: {
    perExample: 'direct',
    shape([x], { shape }) {
      if (shape === undefined || x.length !== 1 || !sameDim(shape[0], x[0]))
        throw new ShapeProblem(
          (show) => `cannot spread ${show(x)} over the rows of ${show(shape ?? [])}`,
          'pass one value for each row',
        );
      return shape;
    },
    vjp: (emit, _node, g) => emit.op('sumRows', [g]),
    jvp: (emit, node, [t]) => (t === null ? null : emit.op('broadcastRows', [t], node.attributes)),
    lower(context, node) {
      const y = context.output(node);
      const [count, ...columns] = context.shape(node.id);
      context.emit('fillF32', [y], [context.scalar(0)]);
      context.emit(
        'addBiasF32',
        [y, context.input(node, 0)],
        [1, count, elementCount(columns)].map(context.scalar),
      );
    },
  },
  /** x[r, ...] factor[r]. */
  scaleRows: {
    perExample: 'direct',
    shape([x, factors]) {
      if (x.length < 1 || factors.length !== 1 || !sameDim(x[0], factors[0]))
        throw new ShapeProblem(
          (show) => `factors ${show(factors)} do not fit the rows of ${show(x)}`,
          'pass one factor for each row',
        );
      return x;
    },
    vjp(emit, { inputs: [x, factors] }, g, input) {
      if (input === 0) return emit.op('scaleRows', [g, factors]);
      return emit.op('sumRows', [emit.op('multiply', [g, x])]);
    },
    jvp(emit, { inputs: [x, factors] }, [tx, tf]) {
      const left = tx === null ? null : emit.op('scaleRows', [tx, factors]);
      return emit.add(left, tf === null ? null : emit.op('scaleRows', [x, tf]));
    },
    lower(context, node) {
      const [, ...columns] = context.shape(node.id);
      const y = context.copyOf(node, 0);
      context.emit('scaleRowsF32', [y, context.input(node, 1)], [context.scalar(elementCount(columns))]);
    },
  },
  /** Sum of all elements, as a scalar. */
  sumAll: {
    perExample: 'couples',
    shape: () => [],
    vjp: (emit, node, g) => emit.op('broadcastAll', [g], { shape: emit.shape(node.inputs[0]) }),
    jvp: (emit, _node, [t]) => (t === null ? null : emit.op('sumAll', [t])),
    lower(context, node) {
      const count = elementCount(context.shape(node.inputs[0]));
      context.emit(
        'sumSpatialRowsF32',
        [context.output(node), context.input(node, 0)],
        [count, 0].map(context.scalar),
      );
    },
  },
  /** A scalar, everywhere. */
  broadcastAll: {
    perExample: 'direct',
    shape([x], { shape }) {
      if (shape === undefined || x.length !== 0)
        throw new ShapeProblem((show) => `wants a scalar, received ${show(x)}`, 'pass a scalar');
      return shape;
    },
    vjp: (emit, _node, g) => emit.op('sumAll', [g]),
    jvp: (emit, node, [t]) => (t === null ? null : emit.op('broadcastAll', [t], node.attributes)),
    lower(context, node) {
      const y = context.output(node);
      context.emit('fillF32', [y], [context.scalar(0)]);
      context.emit(
        'addBiasF32',
        [y, context.input(node, 0)],
        [1, 1, elementCount(context.shape(node.id))].map(context.scalar),
      );
    },
  },
} satisfies Record<string, Primitive>;
