/** The course of a search as one self-contained HTML page: SVG drawn here, no script, nothing loaded. */
import type { FoundParameter } from '../merge/evolve/found-parameters.js';
import { version } from '../version.js';
import { type Series, searchPlot, shortNumber } from './evolve-plot.js';
import { escapeHtml } from './html.js';

export interface SearchPageRecord {
  readonly generation: number;
  readonly restart: number;
  readonly evaluations: number;
  /** Null where every candidate failed, as all that follow. */
  readonly best: number | null;
  readonly median: number | null;
  readonly lowerQuartile: number | null;
  readonly upperQuartile: number | null;
  readonly mean: number | null;
  readonly bestSoFar: number | null;
  readonly perTask?: Readonly<Record<string, number>>;
  readonly failed: number;
  readonly sigma: number;
}

export interface SearchPageData {
  readonly title: string;
  /** What a score is, as `accuracy of mnist-2nn`. */
  readonly scored: string;
  readonly records: readonly SearchPageRecord[];
  readonly best: { readonly generation: number; readonly perTask?: Readonly<Record<string, number>> } | null;
  /** Why the search ended, if it has. */
  readonly finished?: string;
  readonly parameters: readonly FoundParameter[];
  /** The best recipe so far, as YAML. */
  readonly recipe: string;
  /** Base64 SHA-256 of `searchPageStyle`, for the content policy. */
  readonly styleSha256: string;
}

export const searchPageStyle = `:root{color-scheme:light dark;--paper:#faf9f6;--card:#fff;--ink:#23262d;--quiet:#666b76;--line:#e3e0d9;--a:#2f6db0;--b:#b4551c;--c:#2f7d55}
@media (prefers-color-scheme:dark){:root{--paper:#15171b;--card:#1c1f25;--ink:#e4e5e8;--quiet:#9aa0ab;--line:#2e323a;--a:#76abe6;--b:#ee9a67;--c:#74c69d}}
body{margin:0;background:var(--paper);color:var(--ink);font:15px/1.5 system-ui,sans-serif}
main{max-width:60rem;margin:0 auto;padding:2rem 1rem}h1{font-size:1.5rem;margin:0}h2{font-size:1.1rem;margin:2rem 0 .5rem}
svg{display:block}.plot svg{width:100%;min-width:34rem;height:auto;background:var(--card);border:1px solid var(--line);border-radius:8px}
svg text{fill:var(--quiet);font-size:13px}.grid{stroke:var(--line)}.restart{stroke:var(--quiet);stroke-dasharray:3 4}
polyline{fill:none}.far{stroke:var(--a);stroke-width:2.5}.mean,.task1{stroke:var(--b);stroke-width:1.8}.step,.task2{stroke:var(--c);stroke-width:1.8}.task0{stroke:var(--a);stroke-width:1.8}.task3{stroke:var(--quiet);stroke-width:1.8}
.band{fill:var(--b);fill-opacity:.16}.dot{fill:var(--a);fill-opacity:.5}.single{fill:var(--paper)}
.key{color:var(--a)}.key-mean,.key1{color:var(--b)}.key-step,.key2{color:var(--c)}.key0{color:var(--a)}.key3{color:var(--quiet)}
p,dt,.keys{color:var(--quiet);margin:.3rem 0}.keys span{margin-right:1rem}
dl{display:flex;flex-wrap:wrap;gap:.6rem 2rem;margin:1rem 0 0}dt{font-size:.85rem;margin:0}dd{margin:0;font-size:1.25rem;font-variant-numeric:tabular-nums}
.wide,.plot{overflow-x:auto}.name{white-space:nowrap}table{border-collapse:collapse;font-variant-numeric:tabular-nums}th,td{text-align:right;padding:.2rem .8rem;border-bottom:1px solid var(--line)}th{font-weight:600;color:var(--quiet)}
td.name,th.name{text-align:left}.bar{fill:var(--a)}.axis{stroke:var(--quiet)}
pre{background:var(--card);border:1px solid var(--line);border-radius:8px;padding:1rem;overflow:auto;max-height:30rem}`;

export function renderSearchPage(data: SearchPageData): string {
  const { title, records, recipe, styleSha256, parameters } = data;
  const policy = `default-src 'none'; style-src 'sha256-${styleSha256}'; base-uri 'none'; form-action 'none'`;
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
<p>Score: ${escapeHtml(data.scored)}; larger is better.</p>
${facts(data)}
${records.length === 0 ? '' : plots(records)}
${parameters.length === 0 ? '' : `<h2>Parameters of the best</h2>\n${parameterTable(parameters)}`}
<h2>Best recipe</h2>
<pre><code>${escapeHtml(recipe)}</code></pre>
${records.length === 0 ? '' : `<h2>Generations</h2>\n${generationTable(records)}`}
</main>
</body>
</html>
`;
}

function facts({ records, best, finished }: SearchPageData): string {
  const last = records.at(-1);
  if (last === undefined) return '<p>No generation was finished.</p>';
  const failed = records.reduce((sum, record) => sum + record.failed, 0);
  const pairs: [string, string][] = [
    ['best score', score(last.bestSoFar)],
    ['found in generation', best === null ? '–' : String(best.generation)],
    ['generations', String(last.generation)],
    ['evaluations', String(last.evaluations)],
    ...(failed > 0 ? [['failed', String(failed)] satisfies [string, string]] : []),
    ...(last.restart > 0 ? [['restarts', String(last.restart)] satisfies [string, string]] : []),
    ['state', finished === undefined ? 'going on' : `ended: ${finished}`],
    ...Object.entries(best?.perTask ?? {}).map(([name, value]): [string, string] => [name, score(value)]),
  ];
  const items = pairs.map(
    ([name, value]) => `<div><dt>${escapeHtml(name)}</dt><dd>${escapeHtml(value)}</dd></div>`,
  );
  return `<dl>${items.join('')}</dl>`;
}

function plots(records: readonly SearchPageRecord[]): string {
  const generations = records.map(({ generation }) => generation);
  const restarts = records.flatMap(({ restart, generation }, i) =>
    i > 0 && restart !== records[i - 1].restart ? [generation] : [],
  );
  const of = (pick: (record: SearchPageRecord) => number | null): Series => records.map(pick);
  const common = { generations, restarts };
  const scores = searchPlot({
    ...common,
    label: 'Score by generation',
    height: 380,
    band: { lower: of((r) => r.lowerQuartile), upper: of((r) => r.upperQuartile) },
    lines: [
      { kind: 'mean', values: of((r) => r.mean) },
      { kind: 'far', values: of((r) => r.bestSoFar) },
    ],
    dots: of((r) => r.best),
  });
  const steps = searchPlot({
    ...common,
    label: 'Step size by generation',
    height: 190,
    lines: [{ kind: 'step', values: of((r) => r.sigma) }],
  });
  return `<h2>Score</h2>
<div class="plot">${scores}</div>
<p class="keys"><span><span class="key">━</span> best so far</span><span><span class="key">●</span> best of the generation</span><span><span class="key-mean">━</span> mean</span><span><span class="key-mean">▒</span> middle half of the candidates</span></p>
${taskPlot(records, common)}
<h2>Step size</h2>
<div class="plot">${steps}</div>`;
}

function taskPlot(
  records: readonly SearchPageRecord[],
  common: { generations: readonly number[]; restarts: readonly number[] },
): string {
  const names = [...new Set(records.flatMap(({ perTask = {} }) => Object.keys(perTask)))];
  if (names.length < 2) return '';
  const lines = names.map((name, i) => ({
    kind: `task${i % 4}`,
    values: records.map(({ perTask }) => perTask?.[name] ?? null),
  }));
  const keys = names.map((name, i) => `<span><span class="key${i % 4}">━</span> ${escapeHtml(name)}</span>`);
  return `<h2>Tasks, of the best so far</h2>
<div class="plot">${searchPlot({ ...common, label: 'Metrics of the best candidate by generation', height: 260, lines })}</div>
<p class="keys">${keys.join('')}</p>`;
}

function parameterTable(parameters: readonly FoundParameter[]): string {
  const largest = Math.max(...parameters.map(({ value }) => Math.abs(value))) || 1;
  const signed = parameters.some(({ value }) => value < 0);
  const placed = parameters.some(({ where }) => where !== '');
  const rows = parameters.map(({ model, where, name, value }) => {
    const length = ((signed ? 50 : 100) * Math.abs(value)) / largest;
    const zero = signed ? 50 : 0.5;
    const start = value < 0 ? zero - length : zero;
    const bar = `<svg width="100" height="12" aria-hidden="true"><line class="axis" x1="${zero}" x2="${zero}" y1="0" y2="12"/><rect class="bar" x="${start.toFixed(1)}" y="2" width="${length.toFixed(1)}" height="8"/></svg>`;
    return `<tr><td class="name">${escapeHtml(model)}</td>${placed ? `<td class="name">${escapeHtml(where)}</td>` : ''}<td class="name">${escapeHtml(name)}</td><td>${shortNumber(value)}</td><td>${bar}</td></tr>`;
  });
  return `<div class="wide"><table>
<thead><tr><th scope="col" class="name">model</th>${placed ? '<th scope="col" class="name">where</th>' : ''}<th scope="col" class="name">parameter</th><th scope="col">value</th><th></th></tr></thead>
<tbody>
${rows.join('\n')}
</tbody>
</table></div>`;
}

function generationTable(records: readonly SearchPageRecord[]): string {
  const heads = [
    'generation',
    'restart',
    'evaluations',
    'best',
    'mean',
    'median',
    'best so far',
    'failed',
    'step size',
  ];
  const rows = records.map((r) =>
    [
      r.generation,
      r.restart,
      r.evaluations,
      ...[r.best, r.mean, r.median, r.bestSoFar].map(score),
      r.failed,
      shortNumber(r.sigma),
    ]
      .map((cell) => `<td>${cell}</td>`)
      .join(''),
  );
  return `<div class="wide"><table>
<thead><tr>${heads.map((head) => `<th scope="col">${head}</th>`).join('')}</tr></thead>
<tbody>
${rows.map((row) => `<tr>${row}</tr>`).join('\n')}
</tbody>
</table></div>`;
}

function score(value: number | null): string {
  return value === null ? '–' : shortNumber(value);
}
