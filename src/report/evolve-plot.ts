/** A plot of a search by generation, as SVG text: lines, bands and dots over one axis. No style attribute, no script. */
import { escapeHtml } from './html.js';

/** Null where there is no value. */
export type Series = readonly (number | null)[];

export interface SearchPlot {
  /** Read aloud, and shown above. */
  readonly label: string;
  /** Height of the drawing, whose width is 920. */
  readonly height: number;
  /** From 1. */
  readonly generations: readonly number[];
  /** Generations before which CMA-ES began anew. */
  readonly restarts: readonly number[];
  readonly lines: readonly { readonly kind: string; readonly values: Series; readonly name?: string }[];
  readonly band?: { readonly lower: Series; readonly upper: Series };
  readonly dots?: Series;
}

const width = 920;
const frame = { left: 70, right: 20, top: 14, bottom: 40 };

export function searchPlot(plot: SearchPlot): string {
  const { generations, height, lines, band, dots = [] } = plot;
  const all = [...lines.map(({ values }) => values), dots, band?.lower ?? [], band?.upper ?? []].flat();
  const values = all.filter((value) => value !== null);
  if (values.length === 0) return '';
  const { ticks, bottom, top } = scale(values);
  const first = generations[0];
  const lastOne = generations[generations.length - 1];
  const span = Math.max(1, lastOne - first);
  const x = (generation: number): string =>
    (frame.left + ((generation - first) / span) * (width - frame.left - frame.right)).toFixed(1);
  const y = (value: number): string =>
    (frame.top + ((top - value) / (top - bottom)) * (height - frame.top - frame.bottom)).toFixed(1);
  const points = (series: Series): string[] =>
    series.flatMap((value, i) => (value === null ? [] : [`${x(generations[i])},${y(value)}`]));
  const marks = [...new Set(Array.from({ length: 6 }, (_, i) => Math.round(first + (span * i) / 5)))];
  const right = width - frame.right;
  const parts = [
    ...ticks.map(
      (v) =>
        `<line class="grid" x1="${frame.left}" x2="${right}" y1="${y(v)}" y2="${y(v)}"/><text x="${frame.left - 8}" y="${(Number(y(v)) + 4).toFixed(1)}" text-anchor="end">${shortNumber(v)}</text>`,
    ),
    ...marks
      .filter((g) => g <= lastOne)
      .map((g) => `<text x="${x(g)}" y="${height - frame.bottom + 18}" text-anchor="middle">${g}</text>`),
    ...plot.restarts.map(
      (g) =>
        `<line class="restart" x1="${x(g)}" x2="${x(g)}" y1="${frame.top}" y2="${height - frame.bottom}"><title>restart</title></line>`,
    ),
    `<text x="${(frame.left + right) / 2}" y="${height - 6}" text-anchor="middle">generation</text>`,
    ...(band === undefined ? [] : [`<polygon class="band" points="${around(band, points).join(' ')}"/>`]),
    ...lines.map(({ kind, values: line }) => {
      const at = points(line);
      // A line of one point is not drawn.
      return at.length === 1
        ? `<circle class="${kind} single" r="4" cx="${at[0].split(',')[0]}" cy="${at[0].split(',')[1]}"/>`
        : `<polyline class="${kind}" points="${at.join(' ')}"/>`;
    }),
    ...dots.flatMap((value, i) =>
      value === null
        ? []
        : [
            `<circle class="dot" r="3" cx="${x(generations[i])}" cy="${y(value)}"><title>generation ${generations[i]}: ${shortNumber(value)}</title></circle>`,
          ],
    ),
  ];
  return `<svg viewBox="0 0 ${width} ${height}" role="img" aria-label="${escapeHtml(plot.label)}">
${parts.join('\n')}
</svg>`;
}

/** Upper edge to the right, lower edge back, where both are known. */
function around(
  { lower, upper }: { lower: Series; upper: Series },
  points: (s: Series) => string[],
): string[] {
  const both = (own: Series): Series =>
    own.map((value, i) => (lower[i] === null || upper[i] === null ? null : value));
  return [...points(both(upper)), ...points(both(lower)).reverse()];
}

/** Round ticks (1, 2 or 5 times a power of ten apart), four to eight of them, and the ends of the axis. */
function scale(values: readonly number[]): { ticks: number[]; bottom: number; top: number } {
  const low = values.reduce((a, b) => Math.min(a, b));
  const high = values.reduce((a, b) => Math.max(a, b));
  const margin = high > low ? 0.04 * (high - low) : Math.max(Math.abs(high), 1) * 0.05;
  const [bottom, top] = [low - margin, high + margin];
  const raw = (top - bottom) / 4;
  let step = Number(`1e${raw.toExponential().split('e')[1]}`);
  if (step * 5 <= raw) step *= 5;
  else if (step * 2 <= raw) step *= 2;
  const ticks: number[] = [];
  for (let k = Math.ceil(bottom / step); k * step <= top; k++) ticks.push(Number((k * step).toPrecision(12)));
  return { ticks, bottom, top };
}

export function shortNumber(value: number): string {
  return String(Number(value.toPrecision(5)));
}
