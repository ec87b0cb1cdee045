import {
  largerIsBetter,
  type MetricSummary,
  type RunEvent,
  type RunSummary,
  type RunTarget,
} from './events.js';

/** Folds a run's events into the figures of its summary, in memory that does not grow with the rounds. */
export interface MetricsTracker {
  add(event: RunEvent): void;
  /** Final and best value of each metric seen so far. */
  metrics(): Record<string, MetricSummary>;
  /** The target with what it took to reach it; undefined when the run has none. */
  target(): RunSummary['target'];
  /** True from the first event at which the target is reached. */
  reached(): boolean;
}

/**
 * @param options.target - the metric and value that end the race; reached means at least the value for metrics that
 *   should grow, at most for the others.
 * @param options.started - Unix seconds from which `secondsToTarget` counts.
 */
export function createMetricsTracker(options: { target?: RunTarget; started: number }): MetricsTracker {
  const { target, started } = options;
  const seen = new Map<string, MetricSummary>();
  let reachedAt: { round: number; seconds: number } | undefined;

  return {
    add(event) {
      if (event.event !== 'round' && event.event !== 'eval') return;
      for (const [name, value] of Object.entries(event.metrics)) {
        const before = seen.get(name);
        // A NaN never becomes the best, and never stays it.
        const improved =
          before === undefined ||
          Number.isNaN(before.best) ||
          (largerIsBetter(name) ? value > before.best : value < before.best);
        seen.set(name, {
          final: value,
          best: improved ? value : before.best,
          bestRound: improved ? event.round : before.bestRound,
        });
        if (target === undefined || name !== target.metric || reachedAt !== undefined) continue;
        if (largerIsBetter(name) ? value >= target.value : value <= target.value)
          reachedAt = { round: event.round, seconds: event.time - started };
      }
    },
    metrics: () => Object.fromEntries(seen),
    target: () =>
      target && { ...target, roundsToTarget: reachedAt?.round, secondsToTarget: reachedAt?.seconds },
    reached: () => reachedAt !== undefined,
  };
}
