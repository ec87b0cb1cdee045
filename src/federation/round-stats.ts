/** What one round measures, and how it becomes metrics. */
import type { HeddleError } from '../errors.js';
import type { TrainResult } from '../train/trainer.js';
import type { Delivery, WireBytes } from '../update/pipeline.js';
import { METRIC, type MergedTensor, type RoundDetail } from './events.js';
import type { RunSetup } from './setup.js';

/** A client's line of `clients.jsonl`. */
export interface ClientRow {
  readonly client: number;
  readonly status: 'reported' | 'rejected';
  readonly metrics: Record<string, number>;
}

export interface Rejection {
  readonly client: number;
  readonly error: HeddleError;
}

export class RoundStats {
  readonly rejections: Rejection[] = [];
  readonly rows: ClientRow[] = [];
  noiseStddev?: number;
  serverUpdateNorm?: number;
  reported = 0;
  upBytes = 0;
  downBytes = 0;
  denseBytes = 0;
  examples = 0;
  /** The model w_0 of a rule that places the clients around one. */
  anchor?: { readonly model: 'previous' | 'initial'; readonly hash: string };
  #lossSum = 0;
  #correct = 0;
  readonly #norms: number[] = [];
  #clipped = 0;
  readonly #stageBytes = new Map<string, number>();
  readonly #holders = new Map<string, number[]>();
  readonly #phases = new Map<string, number>();
  readonly #merged: MergedTensor[] = [];

  constructor(
    readonly setup: RunSetup,
    readonly selected: number,
  ) {}

  /** Runs `work` and counts its wall time under `phase`. */
  timed<T>(phase: string, work: () => T): T {
    const start = performance.now();
    try {
      return work();
    } finally {
      this.addPhase(phase, (performance.now() - start) / 1000);
    }
  }

  addPhase(phase: string, seconds: number): void {
    this.#phases.set(phase, (this.#phases.get(phase) ?? 0) + seconds);
  }

  /** Training took the client section's wall time but for what the server did in it. */
  sectionEnds(started: number): void {
    const section = (performance.now() - started) / 1000;
    const server = (this.#phases.get('encode') ?? 0) + (this.#phases.get('aggregate') ?? 0);
    this.addPhase('train', Math.max(section - server, 0));
  }

  phase(name: string): number {
    return this.#phases.get(name) ?? 0;
  }

  /** A client was sent its model, whatever becomes of it. */
  addDelivery({ plan, wire }: Delivery): void {
    const { spec } = this.setup.model;
    this.denseBytes += 4 * spec.size;
    this.#addWire(wire);
    if (plan)
      for (const group of this.setup.model.hiddenGroups) {
        const counts = this.#holders.get(group) ?? new Array<number>(spec.groups[group]).fill(0);
        const kept = plan.kept.get(group);
        if (kept) for (const unit of kept) counts[unit]++;
        else for (let unit = 0; unit < counts.length; unit++) counts[unit]++;
        this.#holders.set(group, counts);
      }
  }

  /** @param wire - what the update put on the wire. @param measured - what the client sent beside it. */
  addClient(
    client: number,
    result: TrainResult,
    wire: readonly WireBytes[],
    measured: WireBytes | undefined,
  ): void {
    this.reported++;
    this.examples += result.examples;
    this.#lossSum += result.lossSum;
    this.#correct += result.correct;
    this.denseBytes += 4 * this.setup.model.spec.size;
    this.#addWire(measured ? [...wire, measured] : wire);
    if (this.setup.config.log.clientMetrics === 'all') {
      const { examples, lossSum, correct } = result;
      this.clientRow(client, 'reported', {
        [METRIC.trainLoss]: lossSum / examples,
        [METRIC.trainAccuracy]: correct / examples,
      });
    }
  }

  #addWire(wire: readonly WireBytes[]): void {
    for (const { name, direction, bytes } of wire) {
      const key = `${direction} ${name}`;
      this.#stageBytes.set(key, (this.#stageBytes.get(key) ?? 0) + bytes);
      if (direction === 'upload') this.upBytes += bytes;
      else this.downBytes += bytes;
    }
  }

  clientRow(client: number, status: ClientRow['status'], metrics: Record<string, number>): void {
    this.rows.push({ client, status, metrics });
  }

  addNorm(norm: number, clipped: boolean): void {
    this.#norms.push(norm);
    if (clipped) this.#clipped++;
  }

  /** What a reduction found out about a tensor of the round. */
  reportTensor(name: string, values: Readonly<Record<string, number>>): void {
    this.#merged.push({ name, values });
  }

  /** The update was refused after it was counted: its bytes were sent, its report does not count. */
  unreport(client: number): void {
    this.reported--;
    if (this.rows.at(-1)?.client === client) this.rows.pop();
  }

  reject(client: number, error: HeddleError): void {
    this.rejections.push({ client, error });
  }

  metrics(): Record<string, number> {
    const norms = this.#norms;
    const metrics: Record<string, number> = {
      [METRIC.clientsSelected]: this.selected,
      [METRIC.clientsReported]: this.reported,
      [METRIC.clientsFailed]: this.rejections.length,
      [METRIC.upBytes]: this.upBytes,
      [METRIC.downBytes]: this.downBytes,
    };
    if (this.examples > 0) {
      metrics[METRIC.trainLoss] = this.#lossSum / this.examples;
      metrics[METRIC.trainAccuracy] = this.#correct / this.examples;
    }
    if (norms.length > 0) {
      metrics[METRIC.updateNormMean] = norms.reduce((sum, norm) => sum + norm, 0) / norms.length;
      metrics[METRIC.updateNormMax] = norms.reduce((max, norm) => Math.max(max, norm));
      if (this.setup.pipeline.maxNorm !== undefined)
        metrics[METRIC.clipFraction] = this.#clipped / norms.length;
    }
    if (this.serverUpdateNorm !== undefined) metrics[METRIC.serverUpdateNorm] = this.serverUpdateNorm;
    if (this.noiseStddev !== undefined) {
      metrics[METRIC.noiseStddev] = this.noiseStddev;
      const noiseNorm = this.noiseStddev * Math.sqrt(this.setup.params.length);
      if (this.serverUpdateNorm !== undefined) metrics[METRIC.snr] = this.serverUpdateNorm / noiseNorm;
    }
    const mean = (key: string): number | undefined => this.#meanOfTensors(key);
    for (const [name, value] of [
      [METRIC.mergeRatioMean, mean('t')],
      [METRIC.mergeAngleMean, mean('angle')],
    ] as const)
      if (value !== undefined) metrics[name] = value;
    return metrics;
  }

  /** Mean over the parameters of the tensors for which a rule told the value. */
  #meanOfTensors(key: string): number | undefined {
    const { spec } = this.setup.model;
    let sum = 0;
    let parameters = 0;
    for (const { name, values } of this.#merged) {
      if (values[key] === undefined) continue;
      const { size } = spec.get(name);
      sum += size * values[key];
      parameters += size;
    }
    return parameters > 0 ? sum / parameters : undefined;
  }

  /** @param round - from 1. @param roundSeconds - wall time of the whole round; what no phase claims is overhead. */
  detail(round: number, roundSeconds: number): RoundDetail {
    const sorted = [...this.#norms].sort((a, b) => a - b);
    const at = (share: number): number =>
      sorted[Math.min(sorted.length - 1, Math.floor(share * sorted.length))];
    const claimed = [...this.#phases.values()].reduce((sum, seconds) => sum + seconds, 0);
    const { maxNorm } = this.setup.pipeline;
    return {
      norms:
        sorted.length === 0
          ? undefined
          : {
              p10: at(0.1),
              p50: at(0.5),
              p90: at(0.9),
              maxNorm,
              clipFraction: maxNorm === undefined ? undefined : this.#clipped / sorted.length,
            },
      bytes: [...this.#stageBytes].map(([key, bytes]) => {
        const [direction, name] = key.split(' ') as ['upload' | 'download', string];
        return { name, direction, bytes };
      }),
      denseBytes: this.denseBytes,
      phases: [
        ...[...this.#phases].map(([name, seconds]) => ({ name, seconds })),
        { name: 'overhead', seconds: Math.max(roundSeconds - claimed, 0) },
      ],
      holders: [...this.#holders].map(([name, counts]) => ({ name, counts })),
      merge: this.#mergeDetail(round),
    };
  }

  #mergeDetail(round: number): RoundDetail['merge'] {
    const { aggregate } = this.setup.strategy;
    if (typeof aggregate === 'function' || (this.#merged.length === 0 && !this.anchor)) return undefined;
    return {
      rule: aggregate.reduce.name,
      period: round,
      anchor: this.anchor?.model,
      anchorHash: this.anchor?.hash,
      tensors: this.#merged,
    };
  }
}
