/** Local jobs over a model: training, evaluation and the diagonal Fisher, as programs for the executors. */
import { InvalidArgumentError } from '../errors.js';
import type { ParamSpec } from '../tensor/param-spec.js';
import { checkPerExample } from './contribution.js';
import type { Widths } from './dims.js';
import { emitFisher } from './fisher.js';
import { type Graph, GraphBuilder, type NodeId, paramLeaves } from './graph.js';
import { type DenseInputs, denseInputs, emitInputGrams, gramSpace } from './input-gram.js';
import { JobSpaces, TapeBuilder } from './lower/tape-builder.js';
import type { Model } from './model.js';
import {
  type AffineTerm,
  declareOptimizer,
  emitOptimizer,
  type Optimizer,
  resetOptimizer,
} from './optimizer.js';
import { PerExampleClip } from './per-example.js';
import { Emitter } from './primitive.js';
import { primitives } from './primitives/registry.js';
import { emitGradient, orderStep, paramRegion, runChain, type Sink } from './schedule.js';
import { beginStep, countTotals, declareData, type ExampleFormat, runtimeScalar } from './step.js';
import type { JobProgram, Tape } from './tape.js';
import { vjp } from './vjp.js';

export type Schedule = 'interleaved' | 'buffered' | 'perExample' | 'evaluation' | 'fisher' | 'inputGram';

/** A job program with what is needed to start it. Plain data: can be sent to workers. */
export interface BoundProgram extends JobProgram {
  readonly schedule: Schedule;
  /** Scratch memory of a step, in bytes. */
  readonly arenaBytes: number;
  readonly weightDecay: number;
  readonly beta1: number;
  readonly beta2: number;
}

export interface BatchOptions {
  batchSize: number;
  /** Examples of the short last batch, 0 to batchSize - 1. Default: 0, there is none. */
  tailSize?: number;
  /** Units of hidden groups, for a sub-model. Default: the model's own. */
  widths?: Widths;
  /** Default: u8, with one scale and shift for each image channel (one for flat inputs). */
  examples?: ExampleFormat;
}

export interface TrainingOptions extends BatchOptions {
  /** Default: plain SGD. */
  optimizer?: Optimizer;
  /** Added to the gradient as `weightDecay * w` (PyTorch's convention, L2 also for Adam). Default: 0. */
  weightDecay?: number;
  /** Bound on the L2 norm of the batch gradient. Default: none. */
  maxGradNorm?: number;
  /** Bound on the L2 norm of every example's gradient before the mean (DP-SGD without noise). Default: none. */
  exampleClip?: { maxNorm: number };
  /** Affine gradient terms `a (w - center) + v`, added before any clip of the batch gradient. */
  terms?: readonly AffineTerm[];
  /** Coordinates whose `mask` is 0 do not move. Default: false. */
  mask?: boolean;
  /** Add loss, correct predictions and examples to `totals`. Default: true. */
  trackTotals?: boolean;
  /** `buffered` keeps the whole gradient even where plain SGD would not. Default: what the options allow. */
  schedule?: 'auto' | 'buffered';
}

/**
 * Program of local training: minimises the mean softmax cross-entropy of each batch.
 *
 * Spaces to bind: `params` (read and written), `initial` (start values, which `before` copies to `params`), `delta` (receives
 * params - initial), `examples`, `labels`, `scales` and `shifts` for u8 examples, `totals`; by options also `gradient`,
 * `velocity`, `moment1`, `moment2`, `mask`, and `<term>.center`, `<term>.v`, `<term>.a`.
 * Programs are cached by model and options.
 *
 * @throws {PerExampleError} if `exampleClip` is asked for and examples are coupled.
 */
export function trainingProgram(model: Model, options: TrainingOptions): BoundProgram {
  return cached(model, ['training', options], () => bindTraining(model, options));
}

/** Program that adds loss sum, correct predictions and examples to `totals`. Binds `params` (read), the data and `totals`. */
export function evaluationProgram(model: Model, options: BatchOptions): BoundProgram {
  return cached(model, ['evaluation', options], () => {
    const job = new JobSpaces();
    const spec = checked('evaluationProgram', model, options);
    job.space('params', 'const', 'f32', spec.size);
    const examples = options.examples ?? { dtype: 'u8' };
    declareData(job, model, options.batchSize, examples);
    job.space('totals', 'totals', 'f64', 3);
    const graph = withoutDropout(model.graph);
    const outputs = [model.nodes.loss, model.nodes.logits];
    const step = (batch: number): BuiltStep => {
      const { tape, lowering } = beginStep(job, {
        model,
        graph,
        spec,
        outputs,
        batch,
        examples,
        lossScale: 1,
      });
      lowering.value(model.nodes.loss);
      countTotals(lowering, model);
      return tape.build();
    };
    return assemble(job, options, 'evaluation', step, { ops: [] }, { ops: [] }, {});
  });
}

/**
 * Program that sums the squares of every example's gradient of its own loss into `fisher` (f64): examples times the diagonal of
 * the empirical Fisher information (labels from the data). `before` zeroes it. Dropout is off. Binds `params` (read), the data,
 * `fisher`, and `gradient` (f32), in which the sums grow until the job ends.
 *
 * @param weighedBy - `probability`: each square counts as much as the model believes in the label that is bound, so that the sum over
 *   all labels is the expectation over the model's own predictions. Default: `one`.
 */
export function fisherProgram(
  model: Model,
  options: BatchOptions,
  weighedBy: 'one' | 'probability' = 'one',
): BoundProgram {
  return cached(model, ['fisher', options, weighedBy], () => {
    const job = new JobSpaces();
    const spec = checked('fisherProgram', model, options);
    job.space('params', 'const', 'f32', spec.size);
    const examples = options.examples ?? { dtype: 'u8' };
    declareData(job, model, options.batchSize, examples);
    job.space('fisher', 'state', 'f64', spec.size);
    job.space('gradient', 'gradient', 'f32', spec.size);
    const forward = withoutDropout(model.graph);
    const { graph, sinks } =
      weighedBy === 'one' ? gradientGraph(model, forward) : likelyGradientGraph(model, forward);
    checkPerExample(graph, model.nodes.loss);
    const order = orderStep(graph, sinks, []);
    const outputs = sinks.map((sink) => sink.gradient);
    const step = (batch: number): BuiltStep => {
      const { tape, lowering } = beginStep(job, {
        model,
        graph,
        spec,
        outputs,
        batch,
        examples,
        lossScale: 1,
      });
      runChain(lowering, order, (group) => emitFisher(lowering, graph, spec, group));
      return tape.build();
    };
    const before = new TapeBuilder(job);
    before.call('fillF32', [before.place('gradient')], [{ literal: 0 }], 'input', 'fisher');
    before.call('fillF64', [before.place('fisher')], [{ literal: 0 }], 'input', 'fisher');
    const after = new TapeBuilder(job);
    const sums = ['fisher', 'gradient'].map((name) => after.place(name));
    after.call('accumulateF64', sums, [{ literal: 1 }], 'update', 'fisher');
    return assemble(job, options, 'fisher', step, before.build(), after.build(), {});
  });
}

/**
 * Program that sums X^T X of the inputs of every dense layer over the examples, one float64 space a layer (`gramSpace`). `before` zeroes
 * them. Dropout is off; nothing behind the last dense layer's input is computed. Binds `params` (read), the data and the sums.
 */
export function inputGramProgram(model: Model, options: BatchOptions): BoundProgram {
  return cached(model, ['inputGram', options], () => {
    const job = new JobSpaces();
    const spec = checked('inputGramProgram', model, options);
    job.space('params', 'const', 'f32', spec.size);
    const examples = options.examples ?? { dtype: 'u8' };
    declareData(job, model, options.batchSize, examples);
    const graph = withoutDropout(model.graph);
    const layers = inputGramLayers(model, options.widths);
    for (const { layer, width } of layers) job.space(gramSpace(layer), 'state', 'f64', width * width);
    const outputs = layers.flatMap(({ inputs }) => inputs);
    const step = (batch: number): BuiltStep => {
      const { tape, lowering } = beginStep(job, {
        model,
        graph,
        spec,
        outputs,
        batch,
        examples,
        lossScale: 1,
      });
      emitInputGrams(lowering, layers);
      return tape.build();
    };
    const before = new TapeBuilder(job);
    for (const { layer } of layers)
      before.call('fillF64', [before.place(gramSpace(layer))], [{ literal: 0 }], 'input', layer);
    return assemble(job, options, 'inputGram', step, before.build(), { ops: [] }, {});
  });
}

/** The layers whose inputs {@link inputGramProgram} sums up. */
export const inputGramLayers = (model: Model, widths?: Widths): DenseInputs[] =>
  denseInputs(model, withoutDropout(model.graph), widths);

function bindTraining(model: Model, options: TrainingOptions): BoundProgram {
  const spec = checked('trainingProgram', model, options);
  const { optimizer = { kind: 'sgd' }, weightDecay = 0, exampleClip, terms = [], mask = false } = options;
  const { graph, sinks } = gradientGraph(model, model.graph);
  const wanted = options.trackTotals === false ? [] : [model.nodes.loss, model.nodes.logits];
  const order = orderStep(graph, sinks, wanted);
  const direct =
    optimizer.kind === 'sgd' &&
    options.schedule !== 'buffered' &&
    options.maxGradNorm === undefined &&
    terms.length === 0 &&
    !mask &&
    !order.entangled;
  if (exampleClip) {
    positive('exampleClip.maxNorm', exampleClip.maxNorm);
    checkPerExample(graph, model.nodes.loss);
  }
  if (options.maxGradNorm !== undefined) positive('maxGradNorm', options.maxGradNorm);
  const settings = { ...options, optimizer, weightDecay, terms, mask };
  const job = new JobSpaces();
  const examples = options.examples ?? { dtype: 'u8' };
  job.space('params', 'slot', 'f32', spec.size);
  job.space('initial', 'const', 'f32', spec.size);
  job.space('delta', 'state', 'f32', spec.size);
  declareData(job, model, options.batchSize, examples);
  if (wanted.length > 0) job.space('totals', 'totals', 'f64', 3);
  if (!direct) declareOptimizer(job, spec, settings);

  const outputs = [...sinks.map((sink) => sink.gradient), ...wanted];
  const space = direct ? 'params' : 'gradient';
  const decays = direct && weightDecay !== 0;
  const beta = direct ? (decays ? { runtime: 'decayFactor' } : 1) : 0;
  const idle = spec.entries.filter((entry) => !sinks.some((sink) => sink.name === entry.name));
  const step = (batch: number): BuiltStep => {
    const lr = { runtime: batch === options.batchSize ? 'negLrOverBatch' : 'negLrOverTail' };
    const meanScale = direct ? lr : 1 / batch;
    const lossScale = exampleClip ? 1 : meanScale;
    const { tape, lowering } = beginStep(job, { model, graph, spec, outputs, batch, examples, lossScale });
    const clip = exampleClip && new PerExampleClip(lowering, graph, spec, exampleClip.maxNorm, meanScale);
    let counted = wanted.length === 0;
    const lossAt = order.chain.indexOf(model.nodes.loss);
    const groups = [...order.groups];
    order.chain.forEach((id, at) => {
      lowering.step(id);
      if (!counted && at >= lossAt) {
        countTotals(lowering, model);
        counted = true;
      }
      for (; groups.length > 0 && groups[0].readyAfter <= at; groups.shift()) {
        if (clip) clip.measure(groups[0]);
        else
          for (const { name, gradient } of groups[0].sinks)
            emitGradient(lowering, gradient, paramRegion(space, spec, name), beta, name);
      }
    });
    clip?.apply(order.groups, space, beta);
    for (const { name } of idle) {
      const region = paramRegion(space, spec, name);
      lowering.at('update', name);
      if (!direct) lowering.emit('fillF32', [region], [{ literal: 0 }]);
      else if (decays) lowering.emit('scaleF32', [region], [runtimeScalar(job, 'decayFactor')]);
    }
    if (!direct) emitOptimizer(lowering, job, spec, settings);
    return tape.build();
  };
  const before = new TapeBuilder(job);
  before.call('copyF32', [before.place('params'), before.place('initial')], [], 'input', 'initial');
  if (!direct) resetOptimizer(before, settings);
  const after = new TapeBuilder(job);
  const result = ['delta', 'params', 'initial'].map((name) => after.place(name));
  after.call('subtractF32', result, [], 'update', 'delta');
  const schedule = exampleClip ? 'perExample' : direct ? 'interleaved' : 'buffered';
  return assemble(job, options, schedule, step, before.build(), after.build(), settings);
}

interface BuiltStep extends Tape {
  readonly arenaBytes: number;
}

function assemble(
  job: JobSpaces,
  { batchSize, tailSize = 0 }: BatchOptions,
  schedule: Schedule,
  step: (batch: number) => BuiltStep,
  before: Tape,
  after: Tape,
  { weightDecay = 0, optimizer }: { weightDecay?: number; optimizer?: Optimizer },
): BoundProgram {
  const full = step(batchSize);
  const tail = tailSize > 0 ? step(tailSize) : { ops: [], arenaBytes: 0 };
  const adam = optimizer?.kind === 'adam' ? optimizer : undefined;
  return {
    spaces: job.spaces,
    scalars: job.scalars,
    batchSize,
    tailSize,
    before: { ops: before.ops },
    full: { ops: full.ops },
    tail: { ops: tail.ops },
    after: { ops: after.ops },
    schedule,
    arenaBytes: Math.max(full.arenaBytes, tail.arenaBytes),
    weightDecay,
    beta1: adam?.beta1 ?? 0.9,
    beta2: adam?.beta2 ?? 0.999,
  };
}

const gradientGraphs = new WeakMap<Graph, { graph: Graph; sinks: readonly Sink[] }>();

/** The model's graph with the gradient of the loss, weighted by the run-time scalar `lossScale`, for every parameter. */
export function gradientGraph(model: Model, forward: Graph): { graph: Graph; sinks: readonly Sink[] } {
  const known = gradientGraphs.get(forward);
  if (known) return known;
  const result = withGradients(model, forward, (emit, loss) =>
    emit.op('fill', [], { shape: emit.shape(loss), value: { runtime: 'lossScale' } }),
  );
  gradientGraphs.set(forward, result);
  return result;
}

/** The gradient of every example's loss times sqrt(p(label)), whose square is p(label) times that of the loss. */
function likelyGradientGraph(model: Model, forward: Graph): { graph: Graph; sinks: readonly Sink[] } {
  // The loss is -log p.
  return withGradients(model, forward, (emit, loss) =>
    emit.op('exp', [emit.op('scale', [loss], { value: -0.5 })]),
  );
}

/** @param seed - what the gradient of the loss is multiplied by, one value for each example. */
function withGradients(
  model: Model,
  forward: Graph,
  seed: (emit: Emitter, loss: NodeId) => NodeId,
): { graph: Graph; sinks: readonly Sink[] } {
  const builder = new GraphBuilder(forward);
  const emit = new Emitter(builder, primitives, 'loss', { layer: 'loss', source: '' });
  const { loss } = model.nodes;
  const factor = seed(emit, loss);
  const params = paramLeaves(forward);
  const { graph, gradients } = vjp(
    builder.graph(),
    loss,
    factor,
    params.map((node) => node.id),
  );
  const sinks = params.flatMap(({ id, attributes: { name = '' } }, i): Sink[] => {
    const gradient = gradients[i];
    return gradient === null ? [] : [{ name, param: id, gradient }];
  });
  return { graph, sinks };
}

const evaluationGraphs = new WeakMap<Graph, Graph>();

/** The same graph with every dropout as the identity; numbers of nodes stay. */
export function withoutDropout(graph: Graph): Graph {
  let result = evaluationGraphs.get(graph);
  if (!result) {
    const nodes = graph.nodes.map((node) =>
      node.op === 'dropout' ? { ...node, op: 'reshape', attributes: { shape: node.shape } } : node,
    );
    result = { ...graph, nodes };
    evaluationGraphs.set(graph, result);
  }
  return result;
}

/** Programs kept for a model: full-batch clients and sub-models ask for many sizes. The one that was bound first goes first. */
const kMaxPrograms = 512;
const programs = new WeakMap<Model, Map<string, BoundProgram>>();

function cached(model: Model, key: unknown, bind: () => BoundProgram): BoundProgram {
  const known = programs.get(model) ?? new Map<string, BoundProgram>();
  programs.set(model, known);
  const text = JSON.stringify(key);
  const found = known.get(text);
  if (found) return found;
  const program = bind();
  const [oldest] = known.keys();
  if (known.size >= kMaxPrograms && oldest !== undefined) known.delete(oldest);
  known.set(text, program);
  return program;
}

/** Checks what every program is given and returns the spec at its widths. */
function checked(
  where: string,
  model: Model,
  { batchSize, tailSize = 0, widths = {} }: BatchOptions,
): ParamSpec {
  if (!Number.isInteger(batchSize) || batchSize < 1)
    throw new InvalidArgumentError(where, 'batchSize', 'a positive integer', batchSize);
  if (!Number.isInteger(tailSize) || tailSize < 0 || tailSize >= batchSize)
    throw new InvalidArgumentError(where, 'tailSize', `an integer from 0 to ${batchSize - 1}`, tailSize);
  for (const group of Object.keys(widths))
    if (!model.hiddenGroups.includes(group))
      throw new InvalidArgumentError(
        where,
        'widths',
        `widths of hidden unit groups (${model.hiddenGroups.join(', ') || 'there are none'})`,
        group,
      );
  return model.spec.atWidths(widths);
}

function positive(what: string, value: number): void {
  if (!(value > 0 && Number.isFinite(value)))
    throw new InvalidArgumentError('trainingProgram', what, 'a finite number above 0', value);
}
