import type { KernelName } from '../../kernels/table.js';
import type { Primitive } from '../primitive.js';
import { firstShape, sameShapes, unary } from './elementwise.js';

/** An activation whose derivative is a function of its result y: dx = grad(dy, y). */
const activation = (grad: string, kernel: 'reluF32' | 'tanhF32' | 'sigmoidF32'): Primitive => ({
  perExample: 'direct',
  shape: firstShape,
  vjp: (emit, node, g) => emit.op(grad, [g, node.id]),
  jvp: (emit, node, [t]) => (t === null ? null : emit.op(grad, [t, node.id])),
  lower: unary(kernel),
});

const gradLowering =
  (kernel: KernelName): NonNullable<Primitive['lower']> =>
  (context, node) => {
    context.emit(kernel, [context.output(node), ...context.inputs(node)], [], { reuse: [1] });
  };

export const activations = {
  relu: activation('reluGrad', 'reluF32'),
  tanh: activation('tanhGrad', 'tanhF32'),
  sigmoid: activation('sigmoidGrad', 'sigmoidF32'),

  /** dy where y > 0, else 0; flat in y. */
  reluGrad: {
    perExample: 'direct',
    shape: sameShapes,
    vjp: (emit, { inputs: [, y] }, g, input) => (input === 0 ? emit.op('reluGrad', [g, y]) : null),
    jvp: (emit, { inputs: [, y] }, [tdy]) => (tdy === null ? null : emit.op('reluGrad', [tdy, y])),
    lower: gradLowering('reluGradF32'),
  },

  /** dy (1 - y^2). */
  tanhGrad: {
    perExample: 'direct',
    shape: sameShapes,
    vjp(emit, { inputs: [dy, y] }, g, input) {
      if (input === 0) return emit.op('tanhGrad', [g, y]);
      return emit.op('scale', [emit.op('multiply', [g, emit.op('multiply', [dy, y])])], { value: -2 });
    },
    jvp(emit, { inputs: [dy, y] }, [tdy, ty]) {
      const first = tdy === null ? null : emit.op('tanhGrad', [tdy, y]);
      if (ty === null) return first;
      const product = emit.op('multiply', [ty, emit.op('multiply', [dy, y])]);
      return emit.add(first, emit.op('scale', [product], { value: -2 }));
    },
    lower: gradLowering('tanhGradF32'),
  },

  /** dy y (1 - y). */
  sigmoidGrad: {
    perExample: 'direct',
    shape: sameShapes,
    vjp(emit, { inputs: [dy, y] }, g, input) {
      if (input === 0) return emit.op('sigmoidGrad', [g, y]);
      const product = emit.op('multiply', [g, dy]);
      return emit.add(product, emit.op('scale', [emit.op('multiply', [product, y])], { value: -2 }));
    },
    jvp(emit, { inputs: [dy, y] }, [tdy, ty]) {
      const first = tdy === null ? null : emit.op('sigmoidGrad', [tdy, y]);
      if (ty === null) return first;
      const product = emit.op('multiply', [ty, dy]);
      const second = emit.op('scale', [emit.op('multiply', [product, y])], { value: -2 });
      return emit.add(first, emit.add(product, second));
    },
    lower: gradLowering('sigmoidGradF32'),
  },

  /**
   * Zeroes a share `rate` of the elements and divides the rest by 1 - rate. Which ones is decided by site and step alone,
   * so that the derivative is the same operation.
   */
  dropout: {
    perExample: 'direct',
    shape: firstShape,
    vjp: (emit, node, g) => emit.op('dropout', [g], node.attributes),
    jvp: (emit, node, [t]) => (t === null ? null : emit.op('dropout', [t], node.attributes)),
    lower(context, node) {
      const { rate = 0, site = 0 } = node.attributes;
      context.emit(
        'dropoutF32',
        [context.output(node), context.input(node, 0)],
        [context.scalar(rate), ...context.randomAddress(site)],
        { reuse: [1] },
      );
    },
  },
} satisfies Record<string, Primitive>;
