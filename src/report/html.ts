import { HeddleError } from '../errors.js';
import { METRIC } from '../federation/events.js';
import {
  formatBudget,
  formatBytes,
  formatMetric,
  formatNumber,
  formatPercent,
  formatSeconds,
} from './format.js';
import { buildPageData, type ReportData, warningsOf } from './report-data.js';

/** The page's script and style, with the base64 SHA-256 of each for the content policy. */
export interface ReportAssets {
  script: string;
  style: string;
  scriptSha256: string;
  styleSha256: string;
}

/**
 * The report of a run as one self-contained HTML file: it loads nothing, and its content policy allows only its own
 * script and style. Every text of the run is escaped. Tables and figures are there without JavaScript; plots need it.
 *
 * @throws {HeddleError} `ERR_REPORT_ASSETS` if the script or the style would end its own element.
 */
export function renderReport(data: ReportData, assets: ReportAssets): string {
  if (/<\/script/i.test(assets.script) || /<\/style/i.test(assets.style))
    throw new HeddleError(
      'ERR_REPORT_ASSETS',
      'report: the page script or style holds its own closing tag',
      'build the report page again with scripts/build-report.mjs',
    );
  const { summary } = data;
  const policy = [
    "default-src 'none'",
    `script-src 'sha256-${assets.scriptSha256}'`,
    `style-src 'sha256-${assets.styleSha256}'`,
    "base-uri 'none'",
    "form-action 'none'",
  ].join('; ');
  return `<!doctype html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta http-equiv="Content-Security-Policy" content="${escapeHtml(policy)}">
<meta name="viewport" content="width=device-width, initial-scale=1">
<meta name="color-scheme" content="light dark">
<meta name="generator" content="heddle ${escapeHtml(summary.environment.heddle)}">
<title>${escapeHtml(summary.name)} – heddle run</title>
<style>${assets.style}</style>
</head>
<body>
<main>
${header(data)}
${privacyBox(data)}
${warningList(data)}
<section id="course" aria-labelledby="course-title">
<h2 id="course-title">Course of the run</h2>
<noscript><p>The plots need JavaScript. All values are in metrics.csv beside this file.</p></noscript>
</section>
<section id="partition" aria-labelledby="partition-title" hidden>
<h2 id="partition-title">Examples by client and class</h2>
</section>
${configuration(data)}
${environment(data)}
<section aria-labelledby="again-title">
<h2 id="again-title">Run it again</h2>
<pre class="command"><code>${escapeHtml(data.command)}</code></pre>
</section>
</main>
<script type="application/json" id="report-data">${embedJson(buildPageData(data))}</script>
<script>${assets.script}</script>
</body>
</html>
`;
}

/** Text for an element's content or a quoted attribute. */
export function escapeHtml(text: string): string {
  const entities: Readonly<Record<string, string>> = {
    '&': '&amp;',
    '<': '&lt;',
    '>': '&gt;',
    '"': '&quot;',
    "'": '&#39;',
  };
  return text.replace(/[&<>"']/g, (character) => entities[character]);
}

/** JSON that cannot leave the script element it stands in; parses to the same value. */
export function embedJson(value: unknown): string {
  return JSON.stringify(value).replace(
    /[<>&\u2028\u2029]/g,
    (character) => `\\u${character.charCodeAt(0).toString(16).padStart(4, '0')}`,
  );
}

function header({ summary, events }: ReportData): string {
  const { comm, time, target } = summary;
  const main = target?.metric ?? METRIC.centralAccuracy;
  const measured = summary.metrics[main] ?? summary.metrics[METRIC.centralLoss];
  const name = summary.metrics[main] === undefined ? METRIC.centralLoss : main;
  const short = name.slice(name.lastIndexOf('/') + 1);
  const start = events.find((event) => event.event === 'start');
  const tiles: [string, string, string][] = [
    [`final ${short}`, formatMetric(name, measured?.final), `round ${formatNumber(summary.rounds)}`],
    [
      `best ${short}`,
      formatMetric(name, measured?.best),
      measured ? `round ${formatNumber(measured.bestRound)}` : '',
    ],
  ];
  if (target !== undefined)
    tiles.push([
      `to ${formatMetric(target.metric, target.value)}`,
      target.roundsToTarget === undefined ? '–' : `${formatNumber(target.roundsToTarget)} rounds`,
      target.roundsToTarget === undefined ? 'not reached' : formatSeconds(target.secondsToTarget),
    ]);
  tiles.push(
    [
      'sent both ways',
      formatBytes(comm.upBytes + comm.downBytes),
      Number.isFinite(comm.ratio) ? `${formatPercent(comm.ratio)} of dense float32` : '',
    ],
    ['total time', formatSeconds(time.totalSeconds), `${formatPercent(time.overheadFraction)} overhead`],
    ['client updates', `${formatNumber(time.clientsPerSecond)}/s`, 'without the first round'],
  );
  const facts: [string, string][] = [
    ['back end', summary.backend],
    ['instruction set', summary.isa],
    ['numeric profile', summary.profile],
    ['workers', formatNumber(summary.workers)],
    ['parameters', formatNumber(summary.parameters)],
  ];
  if (start !== undefined)
    facts.push(['clients', `${formatNumber(start.clients)}, ${formatNumber(start.cohortSize)} a round`]);
  facts.push(['seed', summary.seed], ['fingerprint', summary.fingerprint]);
  const date = new Date(1000 * time.started).toISOString().replace('T', ' ').slice(0, 16);

  return `<header>
<p class="kicker">heddle run · ${escapeHtml(date)} UTC</p>
<h1>${escapeHtml(summary.name)} <span class="status ${summary.status}">${escapeHtml(summary.status)}</span></h1>
<dl class="tiles">
${tiles.map(([label, value, note]) => `<div><dt>${escapeHtml(label)}</dt><dd><b>${escapeHtml(value)}</b><span>${escapeHtml(note)}</span></dd></div>`).join('\n')}
</dl>
${definitions(facts, 'facts')}
${summary.error ? `<p class="failure" role="alert"><b>${escapeHtml(summary.error.code)}</b> ${escapeHtml(summary.error.message)}<br>${escapeHtml(summary.error.hint)}</p>` : ''}
</header>`;
}

function definitions(entries: readonly (readonly [string, string])[], className: string): string {
  const rows = entries.map(
    ([term, value]) => `<div><dt>${escapeHtml(term)}</dt><dd>${escapeHtml(value)}</dd></div>`,
  );
  return `<dl class="${className}">\n${rows.join('\n')}\n</dl>`;
}

function privacyBox({ summary: { privacy } }: ReportData): string {
  if (privacy.guarantee === 'none') {
    const reasons = privacy.reasons.length > 0 ? `: ${privacy.reasons.join('; ')}` : '';
    return `<aside class="box warning" aria-label="Privacy">
<p><b>No (ε, δ) guarantee${escapeHtml(reasons)}.</b></p>
<p>ε = ∞${privacy.noise ? ` · ${escapeHtml(privacy.noise)}` : ' · no noise was added'}. Losses, norms and clip shares on this page are unaccounted.</p>
</aside>`;
  }
  return `<aside class="box" aria-label="Privacy">
<p><b>ε = ${escapeHtml(formatBudget(privacy.epsilon))}${privacy.delta === undefined ? '' : ` at δ = ${escapeHtml(formatBudget(privacy.delta))}`}.</b></p>
<p>${escapeHtml(privacy.noise)}. Losses, norms and clip shares on this page are unaccounted.</p>
</aside>`;
}

function warningList({ events }: ReportData): string {
  const warnings = warningsOf(events);
  if (warnings.length === 0) return '';
  const items = warnings
    .slice(0, 200)
    .map((w) => `<li><span>round ${formatNumber(w.round)}</span> ${escapeHtml(w.message)}</li>`);
  const more = warnings.length - items.length;
  return `<details class="warnings">
<summary>${warnings.length} ${warnings.length === 1 ? 'warning' : 'warnings'}</summary>
<ul>
${items.join('\n')}${more > 0 ? `\n<li>and ${formatNumber(more)} more in metrics.jsonl</li>` : ''}
</ul>
</details>`;
}

function configuration({ configDifferences }: ReportData): string {
  const show = (value: unknown): string =>
    value === undefined
      ? '–'
      : typeof value === 'string'
        ? value
        : JSON.stringify(value, null, 1).replace(/\n\s*/g, ' ');
  const rows = configDifferences.map(
    ({ path, value, default: standard }) =>
      `<tr><th scope="row">${escapeHtml(path)}</th><td>${escapeHtml(show(value))}</td><td>${escapeHtml(show(standard))}</td></tr>`,
  );
  const table =
    rows.length === 0
      ? '<p>Every setting is at its default.</p>'
      : `<div class="scroll"><table>
<thead><tr><th scope="col">setting</th><th scope="col">this run</th><th scope="col">default</th></tr></thead>
<tbody>
${rows.join('\n')}
</tbody>
</table></div>`;
  return `<section aria-labelledby="config-title">
<h2 id="config-title">Configuration that differs from the defaults</h2>
${table}
</section>`;
}

function environment({ summary }: ReportData): string {
  const { environment: env } = summary;
  const entries: [string, string][] = [
    ['heddle', env.heddle],
    ['runtime', env.runtime],
    ['machine', `${env.cpu}, ${formatNumber(env.cores)} cores, ${formatBytes(env.memoryBytes)}`],
    ['platform', `${env.platform} ${env.arch}`],
    ['configuration hash', summary.configHash],
    ['partition hash', summary.partitionHash],
    ['kernel build', summary.kernelBuild],
  ];
  return `<section aria-labelledby="env-title">
<h2 id="env-title">Environment</h2>
${definitions(entries, 'facts')}
</section>`;
}
