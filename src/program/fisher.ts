/**
 * Squares of single examples' gradients, summed: the diagonal of the empirical Fisher information, example count times.
 *
 * A dense layer used once needs no per-example gradients: (a b)^2 = a^2 b^2, so that one product over squared operands sums
 * them all. Everything else is materialised, squared and summed over the rows.
 *
 * The sums of a job grow in float32, in the same stores as a weight gradient, and are widened to float64 once at its end: a pass
 * over a float64 vector at every step cost more than the step (2NN, batch 10: 2.3 times SGD). All terms are positive, so that
 * the relative error is at most steps * 2^-24.
 */
import type { ParamSpec } from '../tensor/param-spec.js';
import { type Contribution, contributionsOf, isFlat, materialise } from './contribution.js';
import type { Graph } from './graph.js';
import type { Region } from './lower/context.js';
import type { Lowering } from './lower/lowering.js';
import { paramRegion, type SinkGroup } from './schedule.js';

export function emitFisher(lowering: Lowering, graph: Graph, spec: ParamSpec, group: SinkGroup): void {
  const { tape, batch } = lowering;
  const squares = new Map<number, Region>();
  const squared = (region: Region): Region => {
    const known = 'scratch' in region ? squares.get(region.scratch) : undefined;
    if (known) return known;
    const result = tape.scratch('f32', region.length);
    lowering.emit('squareF32', [result, region], [], { reuse: [1] });
    if ('scratch' in region) squares.set(region.scratch, result);
    return result;
  };
  for (const sink of group.sinks) {
    const contributions = contributionsOf(graph, sink);
    const sum = paramRegion('gradient', spec, sink.name);
    const [only, ...others] = contributions;
    if (others.length === 0 && only.kind === 'outer') {
      const operands = only.node.inputs.map((id) => lowering.value(id));
      const [m, n] = lowering.shape(only.node.id);
      lowering.at('weightGrad', sink.name);
      const [a, b] = operands.map(squared);
      lowering.emit(
        'gemmF32',
        [sum, a, b, tape.place('params', 0, 0)],
        [m, n, batch, 1, 0, 1, 1, 0].map(lowering.scalar),
      );
    } else {
      const rows = exampleRows(lowering, contributions, sink.name);
      lowering.at('weightGrad', sink.name);
      const scalars = [batch, sum.length, 1, 1, 1].map(lowering.scalar);
      lowering.emit('sumChannelsF32', [sum, squared(rows)], scalars);
    }
  }
}

function exampleRows(lowering: Lowering, contributions: readonly Contribution[], label: string): Region {
  const [only, ...others] = contributions;
  const isDelta = only.kind === 'sum' && others.length === 0 && isFlat(lowering, only.delta);
  return isDelta ? lowering.value(only.delta) : materialise(lowering, contributions, label);
}
