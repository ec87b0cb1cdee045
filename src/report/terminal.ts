import { MultiBar } from 'cli-progress';
import Table from 'cli-table3';
import picocolors from 'picocolors';
import { METRIC, type RunEvent, type RunSummary, type StartEvent } from '../federation/events.js';
import {
  formatBudget,
  formatBytes,
  formatMetric,
  formatNumber,
  formatPercent,
  formatSeconds,
  printable,
} from './format.js';
import { createProgressFold, type Paint, type Progress, progressLine } from './terminal-line.js';

type Colors = ReturnType<typeof picocolors.createColors>;

/** A stream that may be a terminal; `process.stderr` is one. */
export type TerminalStream = NodeJS.WritableStream & { isTTY?: boolean; columns?: number };

export interface TerminalOptions {
  stream: TerminalStream;
  /** Print nothing. Default: false. */
  quiet?: boolean;
  /** Default: `wantsColor(stream)`, with an empty environment. */
  color?: boolean;
  /** Without a terminal, a line every so many rounds. Default: 10. */
  everyRounds?: number;
}

/** Shows a run on a terminal, or as plain lines in a file. */
export interface TerminalReporter {
  handle(event: RunEvent): void;
  /** Removes the updating line and gives the terminal back; safe to call at any time, and again. */
  stop(): void;
  /** Stops and prints the closing table with the paths. */
  finish(summary: RunSummary): void;
}

/**
 * Whether to colour: `NO_COLOR` (https://no-color.org) and `TERM=dumb` say no, `FORCE_COLOR` says yes, else a terminal does.
 */
export function wantsColor(
  stream: TerminalStream,
  env: Readonly<Record<string, string | undefined>> = {},
): boolean {
  if (env.NO_COLOR) return false;
  if (env.FORCE_COLOR) return env.FORCE_COLOR !== '0';
  return stream.isTTY === true && env.TERM !== 'dumb';
}

export function createTerminalReporter(options: TerminalOptions): TerminalReporter {
  const { stream, quiet = false, everyRounds = 10 } = options;
  if (quiet) return { handle: () => undefined, stop: () => undefined, finish: () => undefined };

  const colors = picocolors.createColors(options.color ?? wantsColor(stream));
  const paint: Paint = (text, role) =>
    ({ value: colors.bold, spark: colors.cyan, quiet: colors.dim, warning: colors.yellow })[role](text);
  const fold = createProgressFold();
  const live = stream.isTTY === true ? createLiveLine(stream, paint) : undefined;
  const print = (line: string): void => {
    if (live?.active) live.printAbove(`${line}\n`);
    else stream.write(`${line}\n`);
  };

  return {
    handle(event) {
      const progress = fold(event);
      if (event.event === 'start') {
        print(startLine(event, paint));
        live?.start(progress);
      } else if (event.event === 'warning') {
        print(`${paint('warning', 'warning')} ${printable(event.message)}`);
      } else if (event.event === 'round') {
        if (live !== undefined) live.update(progress);
        else if (event.round === 1 || event.round % everyRounds === 0 || event.round === progress.rounds)
          print(progressLine(progress, Number.POSITIVE_INFINITY, paint));
      }
    },
    stop: () => live?.stop(),
    finish(summary) {
      live?.stop();
      stream.write(`${closingTable(summary, colors)}\n${closingPaths(summary, paint)}`);
    },
  };
}

interface LiveLine {
  readonly active: boolean;
  start(progress: Progress): void;
  update(progress: Progress): void;
  printAbove(text: string): void;
  stop(): void;
}

/** The one updating line. A `MultiBar` of one bar, because only that can print lines above it. */
function createLiveLine(stream: TerminalStream, paint: Paint): LiveLine {
  let current: Progress | undefined;
  const bars = new MultiBar({
    stream,
    // Lines printed above move the bar down, where it has to be drawn although it did not change.
    forceRedraw: true,
    clearOnComplete: true,
    format: (_options, { maxWidth }) => (current ? progressLine(current, maxWidth, paint) : ''),
  });
  return {
    get active() {
      return bars.isActive;
    },
    start(progress) {
      current = progress;
      if (!bars.isActive) bars.create(progress.rounds, 0);
    },
    update(progress) {
      current = progress;
    },
    printAbove: (text) => bars.log(text),
    stop() {
      if (!bars.isActive) return;
      // Draws once more so that lines waiting to be printed above are not lost.
      bars.update();
      bars.stop();
    },
  };
}

function startLine(event: StartEvent, paint: Paint): string {
  const parts = [
    `${event.backend} (${event.isa}, ${event.profile})`,
    `${event.workers} ${event.workers === 1 ? 'worker' : 'workers'}`,
    `${formatNumber(event.clients)} clients, ${formatNumber(event.cohortSize)} a round`,
    `${formatNumber(event.parameters)} parameters`,
  ];
  return `${paint(printable(event.name), 'value')}  ${printable(parts.join('  '))}`;
}

function closingTable(summary: RunSummary, colors: Colors): string {
  const table = new Table({
    // No frame: two columns, a rule above and below.
    style: { head: [], border: [], compact: true },
    chars: {
      top: '─',
      'top-mid': '',
      'top-left': '',
      'top-right': '',
      bottom: '─',
      'bottom-mid': '',
      'bottom-left': '',
      'bottom-right': '',
      left: '',
      'left-mid': '',
      mid: '',
      'mid-mid': '',
      right: '',
      'right-mid': '',
      middle: ' ',
    },
  });
  for (const [label, value] of closingRows(summary)) table.push([colors.dim(label), value]);
  return table.toString();
}

function closingRows(summary: RunSummary): [string, string][] {
  const { metrics, target, comm, time, privacy } = summary;
  const rows: [string, string][] = [
    ['status', `${summary.status}, ${summary.rounds} of ${summary.plannedRounds} rounds`],
  ];
  for (const name of [
    METRIC.centralAccuracy,
    METRIC.centralLoss,
    METRIC.updateNormMean,
    METRIC.clipFraction,
  ]) {
    const metric = metrics[name];
    if (metric === undefined) continue;
    const best = name.startsWith('central')
      ? ` (best ${formatMetric(name, metric.best)} in round ${metric.bestRound})`
      : '';
    rows.push([name, `${formatMetric(name, metric.final)}${best}`]);
  }
  if (target !== undefined) {
    const goal = formatMetric(target.metric, target.value);
    rows.push([
      `target ${goal}`,
      target.roundsToTarget === undefined
        ? 'not reached'
        : `reached in round ${target.roundsToTarget}, after ${formatSeconds(target.secondsToTarget)}`,
    ]);
  }
  rows.push(
    [
      'sent',
      `${formatBytes(comm.upBytes + comm.downBytes)}${Number.isFinite(comm.ratio) ? ` (${formatPercent(comm.ratio)} of dense float32)` : ''}`,
    ],
    ['speed', `${formatNumber(time.clientsPerSecond)} clients/s`],
    ['time', `${formatSeconds(time.totalSeconds)}, ${formatPercent(time.overheadFraction)} overhead`],
    ['privacy', privacyText(privacy)],
    ['back end', `${summary.backend} (${summary.isa}, ${summary.profile}), ${summary.workers} workers`],
    ['fingerprint', summary.fingerprint],
  );
  return rows.map(([label, value]) => [printable(label), printable(value)]);
}

function privacyText(privacy: RunSummary['privacy']): string {
  if (privacy.guarantee === 'none') return `no guarantee: ${privacy.reasons.join('; ')}`;
  return `epsilon ${formatBudget(privacy.epsilon)} at delta ${formatBudget(privacy.delta)}`;
}

function closingPaths(summary: RunSummary, paint: Paint): string {
  const { folder, ...files } = summary.paths;
  const lines = [printable(folder)];
  for (const file of [files.report, files.model, files.summary, files.metrics, files.csv, files.tensorboard])
    if (file !== undefined) lines.push(`  ${paint(printable(file), 'quiet')}`);
  return `${lines.join('\n')}\n`;
}
