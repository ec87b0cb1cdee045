import * as Plot from '@observablehq/plot';
import { formatBytes, formatNumber, formatPercent, formatSeconds } from '../format.js';
import type { PageData, Series, Stack } from '../report-data.js';
import { holderPanel } from './holders.js';
import type { LegendEntry, PanelOptions } from './panel.js';

type Format = (value: number | undefined) => string;

const HEIGHT = 210;
/** Colours are custom properties, so that light, dark and print need no second drawing. */
const color = (i: number): string => `var(--s${(i % 6) + 1})`;
const swatch = (i: number): string => `s${(i % 6) + 1}`;

interface Point {
  x: number;
  y: number | null;
}

const points = (series: Series): Point[] => series.rounds.map((x, i) => ({ x, y: series.values[i] }));

/** The last value measured up to a round. */
function valueAt(series: Series, round: number): number | undefined {
  let found: number | undefined;
  for (let i = 0; i < series.rounds.length && series.rounds[i] <= round; i++)
    found = series.values[i] ?? undefined;
  return found;
}

function roundPlot(
  width: number,
  lastRound: number,
  y: Plot.ScaleOptions,
  marks: Plot.Markish[],
  marginRight = 12,
): ReturnType<typeof Plot.plot> {
  return Plot.plot({
    className: 'plot',
    width,
    height: HEIGHT,
    marginLeft: 56,
    marginRight,
    marginTop: 10,
    marginBottom: 34,
    x: {
      // Half a round more, for the bar of the last one.
      domain: [0, lastRound + 0.5],
      label: 'round',
      labelArrow: 'none',
      ticks: Math.min(8, lastRound, width / 70),
      tickFormat: ',d',
    },
    y: { grid: true, label: null, ticks: 5, ...y },
    marks,
  });
}

function lineMarks(list: readonly Series[], first = 0): Plot.Markish[] {
  return list.flatMap((series, i) => [
    Plot.lineY(points(series), { x: 'x', y: 'y', stroke: color(first + i), strokeWidth: 1.75 }),
    // A line through one or two points is hard to see.
    ...(series.rounds.length <= 12
      ? [Plot.dot(points(series), { x: 'x', y: 'y', fill: color(first + i), r: 2.5 })]
      : []),
  ]);
}

function lineLegend(list: readonly Series[], format: Format): LegendEntry[] {
  return list.map((series, i) => ({
    label: series.name,
    swatch: swatch(i),
    read: (round) => format(valueAt(series, round)),
  }));
}

function course(list: readonly Series[], format: Format): string {
  return list
    .map(
      (s) => `${s.name} from ${format(s.values[0] ?? undefined)} to ${format(s.values.at(-1) ?? undefined)}`,
    )
    .join('; ');
}

function accuracyPanel(data: PageData): PanelOptions {
  const { targetMetric, targetValue } = data;
  const shown = targetValue !== undefined && data.accuracy.some((s) => s.name === targetMetric);
  const legend = lineLegend(data.accuracy, formatPercent);
  if (shown) legend.push({ label: 'target', swatch: 'rule', read: () => formatPercent(targetValue) });
  return {
    title: 'Accuracy',
    description: course(data.accuracy, formatPercent),
    legend,
    draw: (width) =>
      roundPlot(width, data.lastRound, { domain: [0, 1], tickFormat: (v: number) => formatPercent(v, 0) }, [
        ...(shown ? [Plot.ruleY([targetValue], { stroke: 'var(--rule)', strokeDasharray: '5 4' })] : []),
        ...lineMarks(data.accuracy),
      ]),
  };
}

function lossPanel(data: PageData): PanelOptions {
  return {
    title: 'Loss',
    description: course(data.loss, formatNumber),
    legend: lineLegend(data.loss, formatNumber),
    draw: (width) => roundPlot(width, data.lastRound, { zero: true, nice: true }, lineMarks(data.loss)),
  };
}

function normPanel(data: PageData): PanelOptions {
  const { norms, maxNorm, clipFraction } = data;
  const [low, , high] = norms;
  const band = low !== undefined && high !== undefined;
  const legend: LegendEntry[] = norms.map((series, i) => ({
    label: series.name,
    swatch: band ? (series.name === 'p50' ? 's1' : 's1 faint') : swatch(3 * i),
    read: (round) => formatNumber(valueAt(series, round)),
  }));
  if (maxNorm)
    legend.push({ label: 'clip bound', swatch: 'rule', read: (r) => formatNumber(valueAt(maxNorm, r)) });
  if (clipFraction)
    legend.push({ label: 'clipped', swatch: 's2', read: (r) => formatPercent(valueAt(clipFraction, r), 0) });
  return {
    title: 'Update norm and share clipped',
    description: [
      course(norms, formatNumber),
      clipFraction ? course([clipFraction], formatPercent) : '',
    ].join('; '),
    legend,
    draw(width) {
      const finite = [...norms, ...(maxNorm ? [maxNorm] : [])].flatMap((s) => s.values.map((v) => v ?? 0));
      const top = finite.reduce((most, value) => Math.max(most, value), 1e-12) * 1.05;
      const marks: Plot.Markish[] = [];
      // The share clipped is drawn as bars from the bottom on an axis of its own at the right.
      if (clipFraction)
        marks.push(
          Plot.axisY([0, top / 2, top], {
            anchor: 'right',
            label: null,
            tickFormat: (y: number) => formatPercent(y / top, 0),
          }),
          Plot.rectY(points(clipFraction), {
            x1: (p: Point) => p.x - 0.5,
            x2: (p: Point) => p.x + 0.5,
            y: (p: Point) => (p.y ?? 0) * top,
            fill: color(1),
            fillOpacity: 0.16,
          }),
        );
      if (band)
        marks.push(
          Plot.areaY(
            low.rounds.map((x, i) => ({ x, y1: low.values[i], y2: high.values[i] })),
            { x: 'x', y1: 'y1', y2: 'y2', fill: color(0), fillOpacity: 0.22 },
          ),
        );
      if (maxNorm)
        marks.push(
          Plot.lineY(points(maxNorm), { x: 'x', y: 'y', stroke: 'var(--rule)', strokeDasharray: '5 4' }),
        );
      (band ? [norms[1]] : norms).forEach((series, i) => {
        marks.push(Plot.lineY(points(series), { x: 'x', y: 'y', stroke: color(3 * i), strokeWidth: 1.75 }));
      });
      marks.push(Plot.axisY({ anchor: 'left', label: null, ticks: 5 }));
      return roundPlot(width, data.lastRound, { domain: [0, top] }, marks, clipFraction ? 48 : undefined);
    },
  };
}

function ratioPanel(ratio: readonly Series[], lastRound: number): PanelOptions {
  return {
    title: 'Model Stock: ratio t',
    description: course(ratio, formatNumber),
    legend: lineLegend(ratio, formatNumber),
    draw: (width) => roundPlot(width, lastRound, { domain: [0, 1] }, lineMarks(ratio)),
  };
}

function anglePanel(angle: readonly Series[], lastRound: number): PanelOptions {
  const format: Format = (degrees) =>
    degrees === undefined ? formatNumber(degrees) : `${Math.round(degrees)}°`;
  return {
    title: 'Model Stock: angle between updates',
    description: course(angle, format),
    legend: lineLegend(angle, format),
    draw: (width) =>
      roundPlot(width, lastRound, { zero: true, nice: true, tickFormat: format }, [
        // Where updates have nothing in common.
        Plot.ruleY([90], { stroke: 'var(--rule)', strokeDasharray: '5 4' }),
        ...lineMarks(angle),
      ]),
  };
}

function stackPanel(
  title: string,
  stack: Stack,
  lastRound: number,
  format: Format,
  reference?: Series,
): PanelOptions {
  const at = (part: number, round: number): number | undefined => {
    const i = stack.rounds.indexOf(round);
    return i < 0 ? undefined : stack.values[part][i];
  };
  const total = (part: number): number => stack.values[part].reduce((sum, v) => sum + v, 0);
  const legend: LegendEntry[] = stack.names.map((name, part) => ({
    label: name,
    swatch: swatch(part),
    read: (round) => format(at(part, round)),
  }));
  if (reference)
    legend.push({
      label: reference.name,
      swatch: '',
      read: (round) => format(valueAt(reference, round)),
    });
  return {
    title,
    description: stack.names.map((name, part) => `${name}: ${format(total(part))} in all`).join('; '),
    legend,
    draw(width) {
      const rows = stack.names.flatMap((name, part) =>
        stack.rounds.map((round, i) => ({ name, round, part, y: stack.values[part][i] })),
      );
      const options = {
        y: 'y',
        fill: (row: { part: number }) => color(row.part),
        order: stack.names,
        z: 'name',
      } as const;
      // Above this many rounds a bar is thinner than a pixel, and thousands of them are slow.
      const marks =
        stack.rounds.length <= 300
          ? Plot.rectY(
              rows,
              Plot.stackY({
                ...options,
                x1: (row: { round: number }) => row.round - 0.46,
                x2: (row: { round: number }) => row.round + 0.46,
              }),
            )
          : Plot.areaY(rows, Plot.stackY({ ...options, x: 'round', curve: 'step' }));
      return roundPlot(width, lastRound, { tickFormat: format }, [marks]);
    },
  };
}

/** The panels for which the run has data, in reading order. */
export function panelsFor(data: PageData): PanelOptions[] {
  const panels: PanelOptions[] = [];
  if (data.accuracy.length > 0) panels.push(accuracyPanel(data));
  if (data.loss.length > 0) panels.push(lossPanel(data));
  if (data.norms.length > 0) panels.push(normPanel(data));
  if (data.bytes)
    panels.push(stackPanel('Bytes by stage', data.bytes, data.lastRound, formatBytes, data.denseBytes));
  if (data.seconds) panels.push(stackPanel('Time by phase', data.seconds, data.lastRound, formatSeconds));
  if (data.holders.length > 0) panels.push(holderPanel(data.holders));
  if (data.merge)
    panels.push(ratioPanel(data.merge.ratio, data.lastRound), anglePanel(data.merge.angle, data.lastRound));
  return panels;
}
