/** What adds up over the rounds of a run, for its metrics and its summary. */
import { platform } from '#platform';
import { METRIC, type MergeDetail, type RunSummary } from './events.js';
import type { RoundStats } from './round-stats.js';

/** The system is asked for resident memory at most this often: it costs as much as a small round. */
const kResidentEveryMs = 50;

export class RunTotals {
  rounds = 0;
  merge?: RunSummary['merge'];
  #upBytes = 0;
  #downBytes = 0;
  #denseBytes = 0;
  #overheadSeconds = 0;
  #roundSeconds = 0;
  /** Without the first round, which compiles programs and touches memory for the first time. */
  #warm = { seconds: 0, clients: 0 };
  #resident: { at: number; bytes: number | undefined } = { at: Number.NEGATIVE_INFINITY, bytes: undefined };

  /** @param begun - `performance.now()` of the run's start. */
  constructor(readonly begun: number) {}

  /** Counts a round and adds what it gives to `metrics`. @param overheadSeconds - outside kernels. */
  add(stats: RoundStats, metrics: Record<string, number>, seconds: number, overheadSeconds: number): void {
    this.rounds++;
    this.#upBytes += stats.upBytes;
    this.#downBytes += stats.downBytes;
    this.#denseBytes += stats.denseBytes;
    this.#roundSeconds += seconds;
    this.#overheadSeconds += overheadSeconds;
    if (this.rounds > 1) {
      this.#warm.seconds += seconds;
      this.#warm.clients += stats.reported;
    }
    metrics[METRIC.upBytesTotal] = this.#upBytes;
    metrics[METRIC.downBytesTotal] = this.#downBytes;
    metrics[METRIC.roundSeconds] = seconds;
    metrics[METRIC.averageRoundSeconds] = this.#roundSeconds / this.rounds;
    metrics[METRIC.totalMinutes] = (performance.now() - this.begun) / 60_000;
    metrics[METRIC.trainSeconds] = stats.phase('train');
    metrics[METRIC.aggregateSeconds] = stats.phase('aggregate');
    metrics[METRIC.evalSeconds] = stats.phase('evaluate');
    metrics[METRIC.overheadFraction] = overheadSeconds / seconds;
    metrics[METRIC.clientsPerSecond] = stats.reported / seconds;
    metrics[METRIC.examplesPerSecond] = stats.examples / seconds;
    const residentBytes = this.#residentBytes();
    if (residentBytes !== undefined) metrics[METRIC.rssMb] = residentBytes / 2 ** 20;
  }

  /** Counts a period of a rule that places clients around a model. */
  merged(detail: MergeDetail | undefined): void {
    if (!detail?.anchor) return;
    const { rule, anchor, anchorHash } = detail;
    this.merge = { rule, periods: (this.merge?.periods ?? 0) + 1, anchor, anchorHash };
  }

  time(started: number, setupSeconds: number): RunSummary['time'] {
    return {
      started,
      totalSeconds: (performance.now() - this.begun) / 1000,
      setupSeconds,
      overheadFraction: this.#roundSeconds > 0 ? this.#overheadSeconds / this.#roundSeconds : 0,
      clientsPerSecond: this.#warm.seconds > 0 ? this.#warm.clients / this.#warm.seconds : 0,
    };
  }

  comm(): RunSummary['comm'] {
    const sent = this.#upBytes + this.#downBytes;
    return {
      upBytes: this.#upBytes,
      downBytes: this.#downBytes,
      denseBytes: this.#denseBytes,
      ratio: this.#denseBytes > 0 ? sent / this.#denseBytes : 0,
    };
  }

  #residentBytes(): number | undefined {
    const now = performance.now();
    if (now - this.#resident.at > kResidentEveryMs)
      this.#resident = { at: now, bytes: platform.residentBytes() };
    return this.#resident.bytes;
  }
}
