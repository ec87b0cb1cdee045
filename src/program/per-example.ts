/**
 * Clipping of every example's gradient without forming it where that is dear: norms first, while the data gradients
 * pass, then the weight gradients from scaled deltas.
 *
 * Dense layers: the gradient of an example is an outer product, so that its norm is a product of two norms (Goodfellow 2015,
 * "Efficient per-example gradient computations"). Convolutions and parameters used more than once are materialised: a
 * convolution's Gram product costs 2 T^2 (K + N) an image against T K N for its gradient (T positions, K inputs of a tap, N
 * channels), and T is large wherever it is used.
 */
import type { ParamSpec } from '../tensor/param-spec.js';
import { type Contribution, contributionsOf, isFlat, materialise } from './contribution.js';
import type { Graph, NodeId, ScalarRef } from './graph.js';
import type { Region } from './lower/context.js';
import type { Lowering } from './lower/lowering.js';
import { emitGradient, paramRegion, type Sink, type SinkGroup } from './schedule.js';

/** Rows above this many elements (64 MB) are formed again from scaled deltas rather than kept until the factors are known. */
const kMaxKeptRows = 1 << 24;

interface Measured {
  readonly contributions: readonly Contribution[];
  /** Per-example gradients, if they were formed and kept. */
  readonly rows?: Region;
}

export class PerExampleClip {
  readonly #lowering: Lowering;
  readonly #norms2: Region;
  readonly #measured = new Map<Sink, Measured>();
  readonly #scaled = new Set<number>();

  /** @param scale - what every clipped gradient is multiplied with: 1 / batch, or -lr / batch. */
  constructor(
    lowering: Lowering,
    readonly graph: Graph,
    readonly spec: ParamSpec,
    readonly maxNorm: number,
    readonly scale: ScalarRef,
  ) {
    this.#lowering = lowering;
    this.#norms2 = lowering.tape.scratch('f64', lowering.batch);
    lowering.at('clip', 'norms');
    lowering.emit('fillF64', [this.#norms2], [{ literal: 0 }]);
  }

  /** Adds a layer's share to the squared norms. */
  measure(group: SinkGroup): void {
    const uses = new Map(group.sinks.map((sink) => [sink, contributionsOf(this.graph, sink)]));
    const done = new Set<Sink>();
    for (const [sink, contributions] of uses) {
      if (done.has(sink)) continue;
      const [only, ...others] = contributions;
      if (others.length === 0 && only.kind === 'outer') {
        const bias = [...uses].find(([, [use, ...more]]) => {
          return use.kind === 'sum' && more.length === 0 && this.#sameMemory(use.delta, only.delta);
        });
        this.#ghost(only, sink.name, bias !== undefined);
        if (bias) {
          done.add(bias[0]);
          this.#measured.set(bias[0], { contributions: bias[1] });
        }
        this.#measured.set(sink, { contributions });
      } else this.#measured.set(sink, this.#measureRows(contributions, sink.name));
    }
  }

  /** destination = beta * destination + the sum of the clipped gradients times the scale, for every parameter. */
  apply(groups: readonly SinkGroup[], space: string, beta: ScalarRef): void {
    const lowering = this.#lowering;
    const factors = lowering.tape.scratch('f32', lowering.batch);
    lowering.at('clip', 'factors');
    lowering.emit(
      'clipFactorsF32',
      [factors, this.#norms2],
      [lowering.scalar(this.maxNorm), lowering.scalar(this.scale)],
    );
    for (const { sinks } of groups)
      for (const sink of sinks) {
        const { rows, contributions } = this.#measured.get(sink) ?? { contributions: [] };
        const destination = paramRegion(space, this.spec, sink.name);
        if (rows) {
          lowering.at('weightGrad', sink.name);
          lowering.emit(
            'weightedSumRowsF32',
            [destination, rows, factors],
            [lowering.scalar(lowering.batch), lowering.scalar(beta)],
          );
        } else {
          for (const { delta } of contributions) this.#scaleRows(delta, factors, sink.name);
          emitGradient(lowering, sink.gradient, destination, beta, sink.name);
        }
      }
  }

  #ghost({ a, b, delta }: Contribution & { kind: 'outer' }, label: string, withBias: boolean): void {
    const lowering = this.#lowering;
    const x = delta === a ? b : a;
    const operands = [lowering.value(delta), lowering.value(x)];
    const columns = [lowering.shape(delta)[1], lowering.shape(x)[1]];
    lowering.at('clip', label);
    // The bias counts as one more input that is always 1.
    lowering.emit(
      'ghostNormRowsF32',
      [this.#norms2, ...operands],
      [...columns, Number(withBias)].map(lowering.scalar),
    );
  }

  #measureRows(contributions: readonly Contribution[], label: string): Measured {
    const lowering = this.#lowering;
    const [only, ...others] = contributions;
    const size = lowering.count(only.node.id);
    const isDelta = only.kind === 'sum' && others.length === 0 && isFlat(lowering, only.delta);
    const rows = isDelta ? lowering.value(only.delta) : materialise(lowering, contributions, label);
    lowering.at('clip', label);
    lowering.emit('sumSquaresRowsF32', [this.#norms2, rows], [lowering.scalar(size)]);
    const kept = !isDelta && (rows.length <= kMaxKeptRows || only.kind === 'sum');
    return kept ? { contributions, rows } : { contributions };
  }

  #scaleRows(delta: NodeId, factors: Region, label: string): void {
    const lowering = this.#lowering;
    const region = lowering.value(delta);
    if (!('scratch' in region) || this.#scaled.has(region.scratch)) return;
    this.#scaled.add(region.scratch);
    lowering.at('clip', label);
    const columns = region.length / lowering.batch;
    lowering.emit('scaleRowsF32', [region, factors], [lowering.scalar(columns)]);
  }

  #sameMemory(a: NodeId, b: NodeId): boolean {
    const [left, right] = [this.#lowering.value(a), this.#lowering.value(b)];
    return 'scratch' in left && 'scratch' in right && left.scratch === right.scratch;
  }
}
