import { METRIC, type RoundEvent, type RunEvent, type StartEvent } from '../federation/events.js';
import { formatBytes, formatMetric, formatNumber, formatPercent, formatSeconds } from './format.js';

/** What the updating line shows, folded from the events so far; rates and time left leave the first round out. */
export interface Progress {
  round: number;
  rounds: number;
  /** The target metric, or central accuracy, or the first loss that is measured. */
  metric?: string;
  value?: number;
  /** That metric over the whole run, oldest first, thinned evenly to at most 24 values. */
  history: readonly number[];
  normMedian?: number;
  clipFraction?: number;
  sentBytes: number;
  /** Sent bytes over those of dense float32; undefined when that is not known. */
  sentRatio?: number;
  clientsPerSecond?: number;
  secondsLeft?: number;
}

const HISTORY = 24;

/** Collects values, keeping every `stride`-th where the stride doubles whenever the room is used up. */
function createHistory(): (value: number) => readonly number[] {
  let kept: number[] = [];
  let stride = 1;
  let seen = 0;
  return (value) => {
    if (seen++ % stride !== 0) return [...kept, value];
    kept.push(value);
    if (kept.length >= HISTORY) {
      kept = kept.filter((_, i) => i % 2 === 0);
      stride *= 2;
    }
    return kept;
  };
}

/** Folds events into `Progress`; memory does not grow with the rounds. */
export function createProgressFold(): (event: RunEvent) => Progress {
  let start: StartEvent | undefined;
  let first: RoundEvent | undefined;
  let state: Progress = { round: 0, rounds: 0, history: [], sentBytes: 0 };
  let denseBytes = 0;
  let clients = 0;
  const remember = createHistory();

  return (event) => {
    if (event.event === 'start') {
      start = event;
      state = { ...state, rounds: event.rounds };
    }
    if (event.event !== 'round' && event.event !== 'eval') return state;

    const { metrics } = event;
    const metric =
      state.metric ??
      [start?.target?.metric, METRIC.centralAccuracy, METRIC.trainAccuracy, METRIC.trainLoss].find(
        (name) => name !== undefined && metrics[name] !== undefined,
      );
    const value = metric === undefined ? undefined : metrics[metric];
    const history = value === undefined ? state.history : remember(value);
    state = { ...state, metric, value: value ?? state.value, history };
    if (event.event === 'eval') return state;

    first ??= event;
    denseBytes += event.detail?.denseBytes ?? 0;
    const sentBytes = state.sentBytes + (metrics[METRIC.upBytes] ?? 0) + (metrics[METRIC.downBytes] ?? 0);
    const elapsed = event.time - first.time;
    const timedRounds = event.round - first.round;
    if (timedRounds > 0) clients += metrics[METRIC.clientsReported] ?? 0;
    state = {
      ...state,
      round: event.round,
      normMedian: event.detail?.norms?.p50 ?? metrics[METRIC.updateNormMean],
      clipFraction: metrics[METRIC.clipFraction] ?? event.detail?.norms?.clipFraction,
      sentBytes,
      sentRatio: denseBytes > 0 ? sentBytes / denseBytes : undefined,
      clientsPerSecond: elapsed > 0 && clients > 0 ? clients / elapsed : undefined,
      secondsLeft:
        elapsed > 0 ? Math.max(0, ((state.rounds - event.round) * elapsed) / timedRounds) : undefined,
    };
    return state;
  };
}

const BARS = '▁▂▃▄▅▆▇█';

/** One block character a value, from the smallest to the largest; a space for NaN and infinities. */
export function sparkline(values: readonly number[]): string {
  const finite = values.filter(Number.isFinite);
  const low = Math.min(...finite);
  const range = Math.max(...finite) - low;
  return values
    .map((value) => {
      if (!Number.isFinite(value)) return ' ';
      return BARS[range > 0 ? Math.round(((value - low) / range) * (BARS.length - 1)) : 0];
    })
    .join('');
}

/** How parts of the line are coloured; the identity without colours. */
export type Paint = (text: string, role: 'value' | 'spark' | 'quiet' | 'warning') => string;

interface Segment {
  text: string;
  role?: Parameters<Paint>[1];
  /** Dropped first when the line is too long for the terminal: larger goes earlier. */
  rank: number;
}

/**
 * The progress line, cut to `columns` by leaving out whole figures, the least telling first.
 *
 * @param columns - width of the terminal in characters; `Infinity` for a file.
 */
export function progressLine(progress: Progress, columns: number, paint: Paint): string {
  const { metric, history, normMedian, clipFraction, sentBytes, sentRatio } = progress;
  const segments: Segment[] = [
    {
      text: `round ${String(progress.round).padStart(String(progress.rounds).length)}/${progress.rounds}`,
      rank: 0,
    },
  ];
  if (metric !== undefined) {
    const name = metric.slice(metric.lastIndexOf('/') + 1);
    segments.push({ text: `${name} ${formatMetric(metric, progress.value)}`, role: 'value', rank: 1 });
    if (history.length > 1) segments.push({ text: sparkline(history), role: 'spark', rank: 5 });
  }
  if (normMedian !== undefined) segments.push({ text: `norm ${formatNumber(normMedian)}`, rank: 6 });
  if (clipFraction !== undefined)
    segments.push({ text: `${formatPercent(clipFraction, 0)} clipped`, rank: 7 });
  if (sentBytes > 0) {
    const ratio = sentRatio === undefined ? '' : ` (${formatPercent(sentRatio, 0)} of dense)`;
    segments.push({ text: `${formatBytes(sentBytes)} sent${ratio}`, rank: 4 });
  }
  if (progress.clientsPerSecond !== undefined)
    segments.push({ text: `${formatNumber(progress.clientsPerSecond)} clients/s`, rank: 3 });
  if (progress.secondsLeft !== undefined && progress.round < progress.rounds)
    segments.push({ text: `${formatSeconds(progress.secondsLeft)} left`, role: 'quiet', rank: 2 });

  const width = (kept: readonly Segment[]): number =>
    kept.reduce((sum, segment) => sum + segment.text.length, 2 * (kept.length - 1));
  let kept = segments;
  for (let rank = 7; rank > 0 && width(kept) >= columns; rank--)
    kept = kept.filter((segment) => segment.rank < rank);
  return kept.map(({ text, role }) => (role ? paint(text, role) : text)).join('  ');
}
