import type { Node } from '../graph.js';
import type { LowerContext } from '../lower/context.js';
import type { Primitive } from '../primitive.js';
import { expectImage, windowOf } from './conv.js';

/** Pools have no padding; windows lie fully inside the image. */
export const pools = {
  /** Largest of each window, the first of equals. Its places are kept for the two maps below. */
  maxPool: {
    perExample: 'direct',
    shape([x], attributes) {
      const { height, width, outHeight, outWidth } = windowOf(attributes);
      expectImage(x, height, width);
      return [x[0], x[1], outHeight, outWidth];
    },
    vjp: (emit, node, g) => emit.op('maxPoolGrad', [g, node.id], node.attributes),
    jvp: (emit, node, [t]) => (t === null ? null : emit.op('maxPoolGather', [t, node.id], node.attributes)),
    lower(context, node) {
      context.emit(
        'maxPoolF32',
        [context.output(node), context.places(node.id), context.input(node, 0)],
        poolScalars(context, node, context.shape(node.inputs[0])),
      );
    },
  },

  /** (dy, pool) to dx: each dy at the place that its window's maximum came from. Flat in the pool's own input. */
  maxPoolGrad: {
    perExample: 'direct',
    shape([dy], attributes) {
      const { height, width, outHeight, outWidth } = windowOf(attributes);
      expectImage(dy, outHeight, outWidth);
      return [dy[0], dy[1], height, width];
    },
    vjp: (emit, { inputs: [, pool], attributes }, g, input) =>
      input === 0 ? emit.op('maxPoolGather', [g, pool], attributes) : null,
    jvp: (emit, { inputs: [, pool], attributes }, [t]) =>
      t === null ? null : emit.op('maxPoolGrad', [t, pool], attributes),
    lower(context, node) {
      context.emit(
        'maxPoolGradF32',
        [context.output(node), context.input(node, 0), context.places(node.inputs[1])],
        [],
      );
    },
  },

  /** (x, pool) to the elements of x at the places of the pool's maxima. */
  maxPoolGather: {
    perExample: 'direct',
    shape([x], attributes) {
      const { height, width, outHeight, outWidth } = windowOf(attributes);
      expectImage(x, height, width);
      return [x[0], x[1], outHeight, outWidth];
    },
    vjp: (emit, { inputs: [, pool], attributes }, g, input) =>
      input === 0 ? emit.op('maxPoolGrad', [g, pool], attributes) : null,
    jvp: (emit, { inputs: [, pool], attributes }, [t]) =>
      t === null ? null : emit.op('maxPoolGather', [t, pool], attributes),
    lower(context, node) {
      context.emit(
        'maxPoolGatherF32',
        [context.output(node), context.input(node, 0), context.places(node.inputs[1])],
        [],
      );
    },
  },

  averagePool: {
    perExample: 'direct',
    shape([x], attributes) {
      const { height, width, outHeight, outWidth } = windowOf(attributes);
      expectImage(x, height, width);
      return [x[0], x[1], outHeight, outWidth];
    },
    vjp: (emit, { attributes }, g) => emit.op('averagePoolGrad', [g], attributes),
    jvp: (emit, { attributes }, [t]) => (t === null ? null : emit.op('averagePool', [t], attributes)),
    lower(context, node) {
      context.emit(
        'averagePoolF32',
        [context.output(node), context.input(node, 0)],
        poolScalars(context, node, context.shape(node.inputs[0])),
      );
    },
  },

  averagePoolGrad: {
    perExample: 'direct',
    shape([dy], attributes) {
      const { height, width, outHeight, outWidth } = windowOf(attributes);
      expectImage(dy, outHeight, outWidth);
      return [dy[0], dy[1], height, width];
    },
    vjp: (emit, { attributes }, g) => emit.op('averagePool', [g], attributes),
    jvp: (emit, { attributes }, [t]) => (t === null ? null : emit.op('averagePoolGrad', [t], attributes)),
    lower(context, node) {
      context.emit(
        'averagePoolGradF32',
        [context.output(node), context.input(node, 0)],
        poolScalars(context, node, context.shape(node.id)),
      );
    },
  },
} satisfies Record<string, Primitive>;

/** Scalars in the table's order: batch, channels, height, width, size, stride, outHeight, outWidth. */
function poolScalars(context: LowerContext, node: Node, image: readonly number[]) {
  const { kernel, stride, outHeight, outWidth } = windowOf(node.attributes);
  return [...image, kernel, stride, outHeight, outWidth].map(context.scalar);
}
