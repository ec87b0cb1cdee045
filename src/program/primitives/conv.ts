import type { Shape } from '../dims.js';
import { sameDim } from '../dims.js';
import type { Attributes, Window } from '../graph.js';
import { type Primitive, ShapeProblem } from '../primitive.js';

export function windowOf({ window }: Attributes): Window {
  if (window === undefined) throw new TypeError('a convolution or pool needs a window');
  return window;
}

export function expectImage(x: Shape, height: number, width: number): void {
  if (x.length !== 4 || x[2] !== height || x[3] !== width)
    throw new ShapeProblem(
      (show) => `wants images [batch, channels, ${height}, ${width}], received ${show(x)}`,
      'pass the output of a convolution, a pool or an image input',
    );
}

/**
 * The three bilinear maps of a convolution y = x * w: each one's derivatives are the two others.
 * Images are NCHW, weights OIHW.
 */
export const convolution = {
  conv2d: {
    perExample: 'materialise',
    shape([x, w], attributes) {
      const { height, width, kernel, outHeight, outWidth } = windowOf(attributes);
      expectImage(x, height, width);
      if (w.length !== 4 || !sameDim(w[1], x[1]) || w[2] !== kernel || w[3] !== kernel)
        throw new ShapeProblem(
          (show) => `weights ${show(w)} do not fit images ${show(x)}`,
          'weights are [out channels, in channels, kernel, kernel]',
        );
      return [x[0], w[0], outHeight, outWidth];
    },
    vjp(emit, { inputs: [x, w], attributes }, g, input) {
      return input === 0
        ? emit.op('conv2dDataGrad', [g, w], attributes)
        : emit.op('conv2dWeightGrad', [x, g], attributes);
    },
    jvp(emit, { inputs: [x, w], attributes }, [tx, tw]) {
      const left = tx === null ? null : emit.op('conv2d', [tx, w], attributes);
      return emit.add(left, tw === null ? null : emit.op('conv2d', [x, tw], attributes));
    },
    lower: (context, node) => context.conv2d(node, context.output(node)),
  },

  /** (dy, w) to dx. */
  conv2dDataGrad: {
    perExample: 'materialise',
    shape([dy, w], attributes) {
      const { height, width, outHeight, outWidth } = windowOf(attributes);
      expectImage(dy, outHeight, outWidth);
      return [dy[0], w[1], height, width];
    },
    vjp(emit, { inputs: [dy, w], attributes }, g, input) {
      return input === 0
        ? emit.op('conv2d', [g, w], attributes)
        : emit.op('conv2dWeightGrad', [g, dy], attributes);
    },
    jvp(emit, { inputs: [dy, w], attributes }, [tdy, tw]) {
      const left = tdy === null ? null : emit.op('conv2dDataGrad', [tdy, w], attributes);
      return emit.add(left, tw === null ? null : emit.op('conv2dDataGrad', [dy, tw], attributes));
    },
    lower(context, node) {
      context.emit(
        'conv2dDataGradF32',
        [context.output(node), ...context.inputs(node)],
        context.convScalars(node, context.shape(node.id), context.shape(node.inputs[0])),
      );
    },
  },

  /** (x, dy) to dw, summed over the batch. */
  conv2dWeightGrad: {
    perExample: 'couples',
    shape([x, dy], attributes) {
      const { kernel, height, width, outHeight, outWidth } = windowOf(attributes);
      expectImage(x, height, width);
      expectImage(dy, outHeight, outWidth);
      return [dy[1], x[1], kernel, kernel];
    },
    vjp(emit, { inputs: [x, dy], attributes }, g, input) {
      return input === 0
        ? emit.op('conv2dDataGrad', [dy, g], attributes)
        : emit.op('conv2d', [x, g], attributes);
    },
    jvp(emit, { inputs: [x, dy], attributes }, [tx, tdy]) {
      const left = tx === null ? null : emit.op('conv2dWeightGrad', [tx, dy], attributes);
      return emit.add(left, tdy === null ? null : emit.op('conv2dWeightGrad', [x, tdy], attributes));
    },
    lower: (context, node) => context.conv2dWeightGrad(node, context.output(node)),
  },
} satisfies Record<string, Primitive>;
