/** What every step on a batch begins with: spaces, the gathered batch, and the parameters in their slot. */
import type { ParamSpec } from '../tensor/param-spec.js';
import { kBatch } from './dims.js';
import { type Graph, type NodeId, paramLeaves, type ScalarRef } from './graph.js';
import type { Region } from './lower/context.js';
import { Lowering } from './lower/lowering.js';
import { type JobSpaces, TapeBuilder } from './lower/tape-builder.js';
import type { Model } from './model.js';
import type { ScalarOperand } from './tape.js';

/** How the examples of a job are stored. `u8`: read as `u8 * scales[channel] + shifts[channel]`. */
export type ExampleFormat = { readonly dtype: 'u8'; readonly channels?: number } | { readonly dtype: 'f32' };

export interface StepInput {
  readonly model: Model;
  readonly graph: Graph;
  readonly spec: ParamSpec;
  readonly outputs: readonly NodeId[];
  readonly batch: number;
  readonly examples: ExampleFormat;
  readonly lossScale: ScalarRef;
}

/** Channels that scales and shifts distinguish: those of an image, else one. */
export function exampleChannels(model: Model, examples: ExampleFormat): number {
  if (examples.dtype === 'f32') return 0;
  return examples.channels ?? (model.input.length === 3 ? model.input[0] : 1);
}

export function declareData(job: JobSpaces, model: Model, batchSize: number, examples: ExampleFormat): void {
  job.space('examples', 'examples', examples.dtype, 0);
  job.space('labels', 'labels', 'i32', 0);
  job.space('index', 'index', 'u32', batchSize);
  if (examples.dtype === 'f32') return;
  const channels = exampleChannels(model, examples);
  job.space('scales', 'const', 'f32', channels);
  job.space('shifts', 'const', 'f32', channels);
}

/** Run-time scalars that a graph or tape names, with their rules. */
export function runtimeScalar(job: JobSpaces, name: string): ScalarOperand {
  return name === 'step' ? job.runtime(name, 'increment', 1) : job.runtime(name);
}

/** Starts a tape: gathers the batch and gives every leaf its memory. */
export function beginStep(job: JobSpaces, input: StepInput): { tape: TapeBuilder; lowering: Lowering } {
  const { model, graph, spec, batch, examples, lossScale } = input;
  const tape = new TapeBuilder(job);
  const x = tape.scratch('f32', batch * model.inputSize);
  const labels = tape.scratch('i32', batch);
  const bound = new Map<NodeId, Region>([
    [model.nodes.input, x],
    [model.nodes.labels, labels],
  ]);
  for (const { id, attributes } of paramLeaves(graph)) {
    const { offset, size } = spec.get(attributes.name ?? '');
    bound.set(id, { space: 'params', offset, length: size });
  }
  const widths = { ...graph.widths, ...spec.groups, [kBatch]: batch };
  const scalars = (name: string): ScalarOperand => {
    if (name !== 'lossScale') return runtimeScalar(job, name);
    return typeof lossScale === 'number' ? { literal: lossScale } : runtimeScalar(job, lossScale.runtime);
  };
  const lowering = new Lowering(tape, { graph, outputs: input.outputs, widths, bound, scalars });
  lowering.at('input', 'input');
  const index = tape.place('index', 0, batch);
  const count = runtimeScalar(job, 'exampleCount');
  const size = { literal: model.inputSize };
  if (examples.dtype === 'u8')
    lowering.emit(
      'gatherRowsU8F32',
      [x, tape.place('examples'), index, tape.place('scales'), tape.place('shifts')],
      [count, size, { literal: exampleChannels(model, examples) }],
    );
  else lowering.emit('gatherRowsF32', [x, tape.place('examples'), index], [count, size]);
  lowering.emit('gatherI32', [labels, tape.place('labels'), index], []);
  return { tape, lowering };
}

/** Adds the batch to `totals`: loss sum, correct predictions, rows. */
export function countTotals(lowering: Lowering, { nodes }: Model): void {
  const regions = [nodes.loss, nodes.logits, nodes.labels].map((id) => lowering.value(id));
  const [, classes] = lowering.shape(nodes.logits);
  lowering.at('metric', 'totals');
  lowering.emit('countCorrectF32', [lowering.tape.place('totals'), ...regions], [{ literal: classes }]);
}
