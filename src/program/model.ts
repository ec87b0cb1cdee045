/** A traced model: its graph, the layout of its parameters, and their start values. */
import { InvalidArgumentError } from '../errors.js';
import { randomKey } from '../kernels/address.js';
import { philox4x32 } from '../kernels/reference/philox.js';
import { ParamSpec } from '../tensor/param-spec.js';
import { batchDim, resolveShape, type Shape, showShape } from './dims.js';
import { ModelDefinitionError, ModelShapeError } from './errors.js';
import { type Graph, GraphBuilder, type NodeId } from './graph.js';
import { Emitter } from './primitive.js';
import { primitives } from './primitives/registry.js';
import { callerLine } from './source-line.js';
import type { TracedParam } from './trace-state.js';
import { type Tensor, Tracer } from './tracer.js';

export interface ModelOptions {
  /** Shape of one example: `[784]`, or `[channels, height, width]`. */
  input: readonly number[];
  /** Number of classes: the width of the logits. */
  classes: number;
  /** Used in messages and reports. Default: 'model'. */
  name?: string;
}

export interface Model {
  readonly name: string;
  /** Shape of one example. */
  readonly input: readonly number[];
  /** Values per example. */
  readonly inputSize: number;
  readonly classes: number;
  /** Layout of the flat parameter vector. */
  readonly spec: ParamSpec;
  /** Forward pass with the loss of every example behind it. */
  readonly graph: Graph;
  readonly nodes: {
    readonly input: NodeId;
    readonly labels: NodeId;
    readonly logits: NodeId;
    /** Softmax cross-entropy, [batch]. */
    readonly loss: NodeId;
  };
  /** Unit groups inside the model: neither its inputs nor its classes. These may be dropped in a sub-model. */
  readonly hiddenGroups: readonly string[];
  /**
   * Start values: weights Glorot-uniform (Glorot & Bengio 2010, eq. 16: U(-l, l), l = sqrt(6 / (fan in + fan out))), everything else 0.
   * Addressed by seed and ordinal of the tensor.
   */
  init(seed: number | string | bigint): Float32Array;
}

/**
 * Traces a model once.
 *
 * @param forward - builds the logits [batch, classes] from x [batch, ...input] with the operations of `t`.
 * @throws {ModelShapeError} if shapes do not fit, naming the layer and the caller's source line.
 * @throws {ModelDefinitionError} for layers without name or with impossible options, or a model without parameters.
 * @example defineModel({ input: [784], classes: 10 }, (t, x) => t.dense(x, { units: 10, name: 'fc' }))
 */
export function defineModel(options: ModelOptions, forward: (t: Tracer, x: Tensor) => Tensor): Model {
  const { input, classes, name = 'model' } = options;
  if (!Array.isArray(input) || input.length === 0 || !input.every((n) => Number.isInteger(n) && n > 0))
    throw new InvalidArgumentError(
      'defineModel',
      'input',
      'a list of positive integers, as [784] or [3, 32, 32]',
      input,
    );
  if (!Number.isInteger(classes) || classes < 1)
    throw new InvalidArgumentError('defineModel', 'classes', 'a positive integer', classes);
  const source = callerLine(defineModel);
  const tracer = new Tracer();
  const [channels, ...space] = input;
  const x = tracer.input('input', [batchDim, { symbol: 'input', factor: 1 }, ...space], { input: channels });
  const logits = forward(tracer, x);
  const traced = tracer.finish();
  const shape: Shape | undefined = traced.graph.nodes[logits?.id]?.shape;
  if (
    shape === undefined ||
    shape.length !== 2 ||
    resolveShape(shape.slice(1), traced.graph.widths)[0] !== classes
  )
    throw new ModelShapeError(
      { layer: name, source },
      `the model returns ${shape ? showShape(shape, traced.graph.widths) : String(logits)}, not logits [batch, ${classes}]`,
      `end with a layer of ${classes} units, without an activation`,
    );
  if (traced.params.length === 0)
    throw new ModelDefinitionError(
      { layer: name, source },
      'has no parameters, so that there is nothing to train',
      'use a layer that has some, as t.dense, or t.param',
    );
  const spec = new ParamSpec(
    traced.params.map((param) => ({
      name: param.name,
      kind: param.kind,
      shape: param.axes.map((axis) => axis.units * axis.inner),
      axes: param.axes,
    })),
    traced.aliases,
  );
  const { graph, labels, loss } = withLoss(traced.graph, logits.id, name);
  const outputDim = shape[1];
  const outputGroup = typeof outputDim === 'number' ? undefined : outputDim.symbol;
  return {
    name,
    input: [...input],
    inputSize: input.reduce((product, n) => product * n, 1),
    classes,
    spec,
    graph,
    nodes: { input: x.id, labels, logits: logits.id, loss },
    hiddenGroups: Object.keys(spec.groups).filter((group) => group !== 'input' && group !== outputGroup),
    init: (seed) => initialValues(spec, traced.params, seed),
  };
}

function withLoss(forward: Graph, logits: NodeId, name: string) {
  const builder = new GraphBuilder(forward);
  const emit = new Emitter(builder, primitives, 'loss', { layer: 'loss', source: name });
  const labels = emit.op('input', [], { name: 'labels', shape: [batchDim] });
  const loss = emit.op('softmaxCrossEntropy', [logits, labels]);
  return { graph: builder.graph(), labels, loss };
}

function initialValues(
  spec: ParamSpec,
  params: readonly TracedParam[],
  seed: number | string | bigint,
): Float32Array {
  const { key0, key1 } = randomKey(seed, { purpose: 'init' });
  const values = new Float32Array(spec.size);
  params.forEach(({ name, kind, fanIn, fanOut }, site) => {
    const tensor = spec.slice(values, name);
    if (fanIn === 0) {
      if (kind === 'norm-weight' || kind === 'gate' || kind === 'modulator') tensor.fill(1);
      return;
    }
    const limit = Math.fround(Math.sqrt(6 / (fanIn + fanOut)));
    for (let i = 0; i < tensor.length; i += 4) {
      const words = philox4x32(i >> 2, 0, 0, site, key0, key1);
      // 24-bit uniform u, mapped to [-1, 1) without rounding.
      for (let lane = 0; lane < 4 && i + lane < tensor.length; lane++)
        tensor[i + lane] = ((words[lane] >>> 8) * 2 ** -23 - 1) * limit;
    }
  });
  return values;
}
