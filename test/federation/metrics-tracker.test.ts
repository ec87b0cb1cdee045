import { describe, expect, it } from 'vitest';
import type { RunEvent } from '../../src/federation/events.js';
import { createMetricsTracker } from '../../src/federation/metrics-tracker.js';

const at = (round: number, metrics: Record<string, number>, event: 'round' | 'eval' = 'round'): RunEvent => ({
  schema: 1,
  event,
  round,
  step: round,
  time: 100 + round,
  metrics,
});

describe('the summary of metrics', () => {
  it('keeps the last value, and the best in the direction of the metric with its first round', () => {
    const tracker = createMetricsTracker({ started: 100 });
    tracker.add(at(0, { 'central-val/accuracy': 0.1, 'train/loss': 2 }, 'eval'));
    tracker.add(at(1, { 'central-val/accuracy': 0.8, 'train/loss': 0.5 }));
    tracker.add(at(2, { 'central-val/accuracy': 0.8, 'train/loss': 0.7 }));
    tracker.add(at(3, { 'central-val/accuracy': 0.6 }));
    expect(tracker.metrics()).toEqual({
      'central-val/accuracy': { final: 0.6, best: 0.8, bestRound: 1 },
      'train/loss': { final: 0.7, best: 0.5, bestRound: 1 },
    });
    expect(tracker.target()).toBeUndefined();
  });

  it('never takes NaN for the best, and tells it as the final value', () => {
    const tracker = createMetricsTracker({ started: 0 });
    for (const [i, loss] of [Number.NaN, 3, Number.NaN].entries()) tracker.add(at(i, { 'train/loss': loss }));
    expect(tracker.metrics()['train/loss']).toEqual({ final: Number.NaN, best: 3, bestRound: 1 });
  });

  it.each([
    ['central-val/accuracy', 0.9, [0.5, 0.9, 0.4, 0.95], 1],
    ['central-val/loss', 0.3, [0.5, 0.31, 0.3, 0.1], 2],
  ])('records when %s first reaches its target', (metric, value, values, round) => {
    const tracker = createMetricsTracker({ target: { metric, value }, started: 98 });
    expect(tracker.target()).toEqual({
      metric,
      value,
      roundsToTarget: undefined,
      secondsToTarget: undefined,
    });
    for (const [i, measured] of values.entries()) {
      tracker.add(at(i, { [metric]: measured }));
      expect(tracker.reached()).toBe(i >= round);
    }
    expect(tracker.target()).toEqual({ metric, value, roundsToTarget: round, secondsToTarget: round + 2 });
  });
});
