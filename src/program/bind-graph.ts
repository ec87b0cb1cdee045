/** Any graph as a one-step program, for work that is not training: derivatives of derivatives, audits, tests. */
import { elementCount, kBatch, resolveShape, type Widths } from './dims.js';
import { type Graph, type NodeId, neededBy } from './graph.js';
import type { Region } from './lower/context.js';
import { Lowering } from './lower/lowering.js';
import { JobSpaces, TapeBuilder } from './lower/tape-builder.js';
import { runtimeScalar } from './step.js';
import type { JobProgram } from './tape.js';

export interface GraphProgramOptions {
  readonly batch: number;
  /** Units of groups that differ from the graph's. */
  readonly widths?: Widths;
  /** Nodes to compute, by the names of the spaces that receive them. */
  readonly outputs: Readonly<Record<string, NodeId>>;
  /** Leaves that hold class numbers (int32). Default: labels. */
  readonly integers?: readonly string[];
}

/**
 * Binds a graph to a tape. Every leaf is a space of its own name (float32, read only), every output one too (written); the whole
 * program is the `before` tape, so that a job runs it once with an empty index.
 */
export function graphProgram(graph: Graph, options: GraphProgramOptions): JobProgram {
  const { batch, outputs, integers = ['labels'] } = options;
  const widths = { ...graph.widths, ...options.widths, [kBatch]: batch };
  const job = new JobSpaces();
  const needed = neededBy(graph, Object.values(outputs));
  const bound = new Map<NodeId, Region>();
  const sizeOf = (id: NodeId) => elementCount(resolveShape(graph.nodes[id].shape, widths));
  for (const { id, op, attributes } of graph.nodes) {
    if (!needed.has(id) || (op !== 'input' && op !== 'param')) continue;
    const { name = '' } = attributes;
    job.space(name, 'const', integers.includes(name) ? 'i32' : 'f32', sizeOf(id));
    bound.set(id, { space: name, offset: 0, length: sizeOf(id) });
  }
  const tape = new TapeBuilder(job);
  const scalars = (name: string) => runtimeScalar(job, name);
  const lowering = new Lowering(tape, { graph, outputs: Object.values(outputs), widths, bound, scalars });
  for (const { id } of graph.nodes) if (needed.has(id)) lowering.step(id);
  for (const [name, id] of Object.entries(outputs)) {
    job.space(name, 'state', 'f32', sizeOf(id));
    const value = lowering.value(id);
    lowering.at('update', name);
    lowering.emit('copyF32', [tape.place(name), value], []);
  }
  const before = { ops: tape.build().ops };
  const none = { ops: [] };
  return {
    spaces: job.spaces,
    scalars: job.scalars,
    batchSize: 1,
    tailSize: 0,
    before,
    full: none,
    tail: none,
    after: none,
  };
}
