import { type Shape, sameShape } from '../dims.js';
import type { Node } from '../graph.js';
import { type Emitter, type Primitive, ShapeProblem } from '../primitive.js';

export function sameShapes([a, b]: readonly Shape[]): Shape {
  if (!sameShape(a, b))
    throw new ShapeProblem(
      (show) => `operands have shapes ${show(a)} and ${show(b)}`,
      'combine tensors of one shape; there is no broadcasting',
    );
  return a;
}

export const firstShape = ([x]: readonly Shape[]): Shape => x;

const minus = (emit: Emitter, x: number) => emit.op('scale', [x], { value: -1 });

export const elementwise = {
  add: {
    perExample: 'direct',
    shape: sameShapes,
    vjp: (_emit, _node, g) => g,
    jvp: (emit, _node, [ta, tb]) => emit.add(ta, tb),
    lower(context, node) {
      context.emit('addF32', [context.output(node), ...context.inputs(node)], [], { reuse: [1, 2] });
    },
  },
  subtract: {
    perExample: 'direct',
    shape: sameShapes,
    vjp: (emit, _node, g, input) => (input === 0 ? g : minus(emit, g)),
    jvp(emit, _node, [ta, tb]) {
      if (tb === null) return ta;
      return ta === null ? minus(emit, tb) : emit.op('subtract', [ta, tb]);
    },
    lower(context, node) {
      context.emit('subtractF32', [context.output(node), ...context.inputs(node)], [], { reuse: [1, 2] });
    },
  },
  multiply: {
    perExample: 'direct',
    shape: sameShapes,
    vjp: (emit, node, g, input) => emit.op('multiply', [g, node.inputs[1 - input]]),
    jvp(emit, { inputs: [a, b] }, [ta, tb]) {
      const left = ta === null ? null : emit.op('multiply', [ta, b]);
      return emit.add(left, tb === null ? null : emit.op('multiply', [a, tb]));
    },
    lower(context, node) {
      context.emit('multiplyF32', [context.output(node), ...context.inputs(node)], [], { reuse: [1, 2] });
    },
  },
  scale: {
    perExample: 'direct',
    shape: firstShape,
    vjp: (emit, node, g) => emit.op('scale', [g], node.attributes),
    jvp: (emit, node, [t]) => (t === null ? null : emit.op('scale', [t], node.attributes)),
    lower(context, node) {
      const y = context.copyOf(node, 0);
      context.emit('scaleF32', [y], [context.scalar(node.attributes.value ?? 1)]);
    },
  },
  square: {
    perExample: 'direct',
    shape: firstShape,
    vjp: (emit, node, g) => twice(emit, emit.op('multiply', [g, node.inputs[0]])),
    jvp: (emit, node, [t]) => (t === null ? null : twice(emit, emit.op('multiply', [t, node.inputs[0]]))),
    lower: unary('squareF32'),
  },
  exp: {
    perExample: 'direct',
    shape: firstShape,
    vjp: (emit, node, g) => emit.op('multiply', [g, node.id]),
    jvp: (emit, node, [t]) => (t === null ? null : emit.op('multiply', [t, node.id])),
    lower: unary('expF32'),
  },
  log: {
    perExample: 'direct',
    shape: firstShape,
    vjp: (emit, node, g) => emit.op('multiply', [g, reciprocalBehindLog(emit, node)]),
    jvp: (emit, node, [t]) => (t === null ? null : emit.op('multiply', [t, reciprocalBehindLog(emit, node)])),
    lower: unary('logF32'),
  },
} satisfies Record<string, Primitive>;

const twice = (emit: Emitter, x: number) => emit.op('scale', [x], { value: 2 });

/** 1 / x as exp(-log x): there is no division kernel, and log x is at hand. */
function reciprocalBehindLog(emit: Emitter, log: Node): number {
  return emit.op('exp', [minus(emit, log.id)]);
}

export function unary(
  kernel: 'squareF32' | 'expF32' | 'logF32' | 'reluF32' | 'tanhF32' | 'sigmoidF32',
): NonNullable<Primitive['lower']> {
  return (context, node) => {
    context.emit(kernel, [context.output(node), context.input(node, 0)], [], { reuse: [1] });
  };
}
