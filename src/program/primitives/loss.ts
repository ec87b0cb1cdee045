import { type Shape, sameDim } from '../dims.js';
import type { NodeId } from '../graph.js';
import { type Emitter, type Primitive, ShapeProblem } from '../primitive.js';

function logits(z: Shape): Shape {
  if (z.length !== 2)
    throw new ShapeProblem((show) => `wants [batch, classes], received ${show(z)}`, 'end with a dense layer');
  return z;
}

function withLabels([z, labels]: readonly Shape[]): Shape {
  logits(z);
  if (labels.length !== 1 || !sameDim(labels[0], z[0]))
    throw new ShapeProblem(
      (show) => `labels ${show(labels)} do not fit logits ${show(z)}`,
      'there is one label for each row of logits',
    );
  return z;
}

/** J dy of p = softmax(z), whose Jacobian diag(p) - p p^T is symmetric: p (dy - sum p dy). */
function softmaxJacobian(emit: Emitter, p: NodeId, dy: NodeId): NodeId {
  const q = emit.op('multiply', [p, dy]);
  return emit.op('subtract', [q, emit.op('scaleRows', [p, emit.op('sumRows', [q])])]);
}

/** Over the rows of logits; labels are class numbers and have no derivative. */
export const losses = {
  softmax: {
    perExample: 'direct',
    shape: ([z]) => logits(z),
    vjp: (emit, node, g) => softmaxJacobian(emit, node.id, g),
    jvp: (emit, node, [t]) => (t === null ? null : softmaxJacobian(emit, node.id, t)),
    lower(context, node) {
      const [, classes] = context.shape(node.id);
      context.emit('softmaxF32', [context.output(node), context.input(node, 0)], [context.scalar(classes)]);
    },
  },
  logSoftmax: {
    perExample: 'direct',
    shape: ([z]) => logits(z),
    vjp(emit, { inputs: [z] }, g) {
      const spread = emit.op('scaleRows', [emit.op('softmax', [z]), emit.op('sumRows', [g])]);
      return emit.op('subtract', [g, spread]);
    },
    jvp(emit, { inputs: [z], shape }, [t]) {
      if (t === null) return null;
      const mean = emit.op('sumRows', [emit.op('multiply', [emit.op('softmax', [z]), t])]);
      return emit.op('subtract', [t, emit.op('broadcastRows', [mean], { shape })]);
    },
    lower(context, node) {
      const [, classes] = context.shape(node.id);
      context.emit(
        'logSoftmaxF32',
        [context.output(node), context.input(node, 0)],
        [context.scalar(classes)],
      );
    },
  },

  /** (z, labels) to -log softmax(z)[label], one for each row. */
  softmaxCrossEntropy: {
    perExample: 'direct',
    shape: (shapes) => [withLabels(shapes)[0]],
    vjp(emit, { inputs: [z, labels] }, g, input) {
      if (input !== 0) return null;
      const { op, attributes } = emit.node(g);
      if (op === 'fill') return emit.op('softmaxDelta', [z, labels], { value: attributes.value });
      return emit.op('scaleRows', [emit.op('softmaxDelta', [z, labels], { value: 1 }), g]);
    },
    jvp(emit, { inputs: [z, labels] }, [t]) {
      if (t === null) return null;
      const delta = emit.op('softmaxDelta', [z, labels], { value: 1 });
      return emit.op('sumRows', [emit.op('multiply', [delta, t])]);
    },
    lower: (context, node) => context.crossEntropy(node),
  },

  /** (z, labels) to (softmax(z) - onehot(label)) value: the gradient of the loss above, value times. */
  softmaxDelta: {
    perExample: 'direct',
    shape: (shapes) => withLabels(shapes),
    vjp(emit, node, g, input) {
      if (input !== 0) return null;
      const jacobian = softmaxJacobian(emit, emit.op('softmax', [node.inputs[0]]), g);
      return emit.op('scale', [jacobian], { value: node.attributes.value });
    },
    jvp(emit, node, [t]) {
      if (t === null) return null;
      const jacobian = softmaxJacobian(emit, emit.op('softmax', [node.inputs[0]]), t);
      return emit.op('scale', [jacobian], { value: node.attributes.value });
    },
    lower: (context, node) => context.crossEntropyDelta(node),
  },
} satisfies Record<string, Primitive>;
