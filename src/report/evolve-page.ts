/** The course of a search as one self-contained HTML page: an SVG drawn here, no script, nothing loaded. */
import { version } from '../version.js';
import { escapeHtml } from './html.js';

export interface SearchPageRecord {
  readonly generation: number;
  readonly restart: number;
  readonly evaluations: number;
  /** Null where every candidate failed. */
  readonly best: number | null;
  readonly median: number | null;
  readonly bestSoFar: number | null;
  readonly failed: number;
  readonly sigma: number;
}

export interface SearchPageData {
  readonly title: string;
  readonly records: readonly SearchPageRecord[];
  /** The best recipe so far, as YAML. */
  readonly recipe: string;
  /** Base64 SHA-256 of `searchPageStyle`, for the content policy. */
  readonly styleSha256: string;
}

export const searchPageStyle = `:root{color-scheme:light dark;--paper:#faf9f6;--card:#fff;--ink:#23262d;--quiet:#666b76;--line:#e3e0d9;--a:#2f6db0;--b:#cf6a2c}
@media (prefers-color-scheme:dark){:root{--paper:#15171b;--card:#1c1f25;--ink:#e4e5e8;--quiet:#9aa0ab;--line:#2e323a;--a:#76abe6;--b:#ee9a67}}
body{margin:0;background:var(--paper);color:var(--ink);font:15px/1.5 system-ui,sans-serif}
main{max-width:60rem;margin:0 auto;padding:2rem 1rem}h1{font-size:1.5rem;margin:0 0 1rem}h2{font-size:1.1rem;margin:2rem 0 .5rem}
svg{width:100%;height:auto;background:var(--card);border:1px solid var(--line);border-radius:8px}
svg text{fill:var(--quiet);font-size:12px}.grid{stroke:var(--line)}.restart{stroke:var(--quiet);stroke-dasharray:3 4}
.far{fill:none;stroke:var(--a);stroke-width:2}.median{fill:none;stroke:var(--b);stroke-width:1.5}.dot{fill:var(--a);fill-opacity:.45}
.key-far{color:var(--a)}.key-median{color:var(--b)}p{color:var(--quiet);margin:.5rem 0}
.scroll{overflow-x:auto}table{border-collapse:collapse;font-variant-numeric:tabular-nums}th,td{text-align:right;padding:.2rem .8rem;border-bottom:1px solid var(--line)}
pre{background:var(--card);border:1px solid var(--line);border-radius:8px;padding:1rem;overflow:auto}`;

const width = 920;
const height = 380;
const frame = { left: 84, right: 20, top: 20, bottom: 44 };

export function renderSearchPage({ title, records, recipe, styleSha256 }: SearchPageData): string {
  const policy = `default-src 'none'; style-src 'sha256-${styleSha256}'; base-uri 'none'; form-action 'none'`;
  const last = records.at(-1);
  const rows = records.map(
    (r) =>
      `<tr><td>${r.generation}</td><td>${r.restart}</td><td>${r.evaluations}</td><td>${score(r.best)}</td><td>${score(r.median)}</td><td>${score(r.bestSoFar)}</td><td>${r.failed}</td><td>${number(r.sigma)}</td></tr>`,
  );
  return `<!doctype html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta http-equiv="Content-Security-Policy" content="${escapeHtml(policy)}">
<meta name="viewport" content="width=device-width, initial-scale=1">
<meta name="color-scheme" content="light dark">
<meta name="generator" content="heddle ${escapeHtml(version)}">
<title>${escapeHtml(title)} – heddle search</title>
<style>${searchPageStyle}</style>
</head>
<body>
<main>
<h1>${escapeHtml(title)}</h1>
<p>${last === undefined ? 'No generation was finished.' : `${last.generation} generations, ${last.evaluations} evaluations, best score ${score(last.bestSoFar)}`}</p>
${plot(records)}
<p><span class="key-far">━</span> best so far &nbsp; <span class="key-far">●</span> best of the generation &nbsp; <span class="key-median">━</span> median of the generation</p>
<h2>Best recipe</h2>
<pre><code>${escapeHtml(recipe)}</code></pre>
<h2>Generations</h2>
<div class="scroll"><table>
<thead><tr><th scope="col">generation</th><th scope="col">restart</th><th scope="col">evaluations</th><th scope="col">best</th><th scope="col">median</th><th scope="col">best so far</th><th scope="col">failed</th><th scope="col">step size</th></tr></thead>
<tbody>
${rows.join('\n')}
</tbody>
</table></div>
</main>
</body>
</html>
`;
}

function plot(records: readonly SearchPageRecord[]): string {
  const values = records.flatMap((r) => [r.best, r.median, r.bestSoFar].filter((v) => v !== null));
  if (values.length === 0) return '';
  const low = values.reduce((a, b) => Math.min(a, b));
  const high = values.reduce((a, b) => Math.max(a, b));
  const margin = high > low ? 0.05 * (high - low) : Math.max(Math.abs(high), 1) * 0.05;
  const [bottom, top] = [low - margin, high + margin];
  const first = records[0].generation;
  const span = Math.max(1, records[records.length - 1].generation - first);
  const x = (generation: number): number =>
    frame.left + ((generation - first) / span) * (width - frame.left - frame.right);
  const y = (value: number): number =>
    frame.top + ((top - value) / (top - bottom)) * (height - frame.top - frame.bottom);
  const line = (pick: (r: SearchPageRecord) => number | null): string =>
    records
      .flatMap((r) => {
        const value = pick(r);
        return value === null ? [] : [`${x(r.generation).toFixed(1)},${y(value).toFixed(1)}`];
      })
      .join(' ');
  const ticks = Array.from({ length: 5 }, (_, i) => bottom + ((top - bottom) * i) / 4);
  const generations = [
    ...new Set(Array.from({ length: 6 }, (_, i) => Math.round(first + (span * i) / 5))),
  ].filter((g) => g <= records[records.length - 1].generation);
  const grid = ticks.map(
    (v) =>
      `<line class="grid" x1="${frame.left}" x2="${width - frame.right}" y1="${y(v).toFixed(1)}" y2="${y(v).toFixed(1)}"/><text x="${frame.left - 8}" y="${(y(v) + 4).toFixed(1)}" text-anchor="end">${number(v)}</text>`,
  );
  const labels = generations.map(
    (g) => `<text x="${x(g).toFixed(1)}" y="${height - frame.bottom + 18}" text-anchor="middle">${g}</text>`,
  );
  const restarts = records.flatMap((r, i) =>
    i > 0 && r.restart !== records[i - 1].restart
      ? [
          `<line class="restart" x1="${x(r.generation).toFixed(1)}" x2="${x(r.generation).toFixed(1)}" y1="${frame.top}" y2="${height - frame.bottom}"/>`,
        ]
      : [],
  );
  const dots = records.flatMap((r) =>
    r.best === null
      ? []
      : [`<circle class="dot" r="3" cx="${x(r.generation).toFixed(1)}" cy="${y(r.best).toFixed(1)}"/>`],
  );
  return `<svg viewBox="0 0 ${width} ${height}" role="img" aria-label="Score by generation">
${[...grid, ...labels, ...restarts].join('\n')}
<text x="${(frame.left + width - frame.right) / 2}" y="${height - 8}" text-anchor="middle">generation</text>
<polyline class="median" points="${line((r) => r.median)}"/>
<polyline class="far" points="${line((r) => r.bestSoFar)}"/>
${dots.join('\n')}
</svg>`;
}

function score(value: number | null): string {
  return value === null ? '–' : number(value);
}

function number(value: number): string {
  return String(Number(value.toPrecision(6)));
}
