import type { Shape } from '../dims.js';
import type { Attributes } from '../graph.js';
import type { Primitive } from '../primitive.js';

function declaredShape(_inputs: readonly Shape[], { shape }: Attributes): Shape {
  if (shape === undefined) throw new TypeError('a leaf needs a shape');
  return shape;
}

const leaf: Primitive = { perExample: 'direct', shape: declaredShape, vjp: () => null, jvp: () => null };

export const leaves = {
  /** What a job feeds for each batch: examples, labels, or a tangent. */
  input: leaf,
  /** A tensor of the parameter vector. */
  param: leaf,
  /** One number everywhere. */
  fill: {
    ...leaf,
    lower(context, node) {
      context.emit('fillF32', [context.output(node)], [context.scalar(node.attributes.value ?? 0)]);
    },
  },
  /** Uniform in [0, 1), addressed by site and step: the same whenever it is computed again. */
  randomUniform: {
    ...leaf,
    lower(context, node) {
      context.emit('uniformF32', [context.output(node)], context.randomAddress(node.attributes.site ?? 0));
    },
  },
} satisfies Record<string, Primitive>;
