// Merges the same synthetic models by the same recipes with heddle and with mergekit, turn by turn, files cached alike.
// Usage: node bench/merge/compare.mjs FOLDER [--size 0.1B] [--tunes 4] [--methods linear,ties] [--turns 3] [--json | --markdown]
// Needs bench/peers/setup-merge.sh once; MERGE_PYTHON names another interpreter. FOLDER gets the models, and is not cleaned.
// Seconds are those of the merge, without starting Node or importing Python modules; CPU seconds tell more on a busy machine.
import { spawnSync } from 'node:child_process';
import { copyFileSync, existsSync, mkdirSync, readdirSync, rmSync, statSync, writeFileSync } from 'node:fs';
import { cpus } from 'node:os';
import { join, resolve } from 'node:path';
import { fileURLToPath } from 'node:url';
import { parseArgs } from 'node:util';
import { writeModels } from './synthetic.mjs';

const here = fileURLToPath(new URL('.', import.meta.url));
const python = process.env.MERGE_PYTHON ?? join(here, '../peers/.venv-merge/bin/python');
const METHODS = ['linear', 'slerp', 'dare_ties', 'model_stock', 'ties', 'breadcrumbs', 'sce'];

const { values, positionals } = parseArgs({
  allowPositionals: true,
  options: {
    size: { type: 'string', default: '0.1B' },
    tunes: { type: 'string', default: '4' },
    methods: { type: 'string', default: METHODS.join(',') },
    turns: { type: 'string', default: '3' },
    json: { type: 'boolean', default: false },
    markdown: { type: 'boolean', default: false },
  },
});
if (positionals[0] === undefined)
  throw new Error('usage: compare.mjs FOLDER [--size 0.1B] [--methods linear,ties]');
const folder = resolve(positionals[0]);
const tunes = Number(values.tunes);
mkdirSync(folder, { recursive: true });
if (!existsSync(join(folder, `tune${tunes}`))) await writeModels(folder, values.size, tunes);

function recipeOf(method) {
  const count = method === 'slerp' ? 1 : tunes;
  const weighted = ['linear', 'ties', 'dare_ties', 'breadcrumbs'].includes(method);
  const parameters = `\n    parameters: {weight: ${1 / count}${method === 'linear' ? '' : ', density: 0.5'}}`;
  const models = Array.from(
    { length: count },
    (_, i) => `  - model: tune${i + 1}${weighted ? parameters : ''}`,
  );
  return [
    `merge_method: ${method}`,
    'dtype: bfloat16',
    ...(method === 'linear' ? [] : ['base_model: base']),
    'models:',
    ...models,
    ...(method === 'slerp' ? ['  - model: base', 'parameters: {t: 0.3}'] : []),
    ...(method === 'sce' ? ['parameters: {select_topk: 0.1}'] : []),
    '',
  ].join('\n');
}

function measured(command, args) {
  const out = join(folder, 'out');
  rmSync(out, { recursive: true, force: true });
  const { status, stdout, stderr } = spawnSync(command, [...args, out], {
    encoding: 'utf8',
    maxBuffer: 1 << 26,
  });
  if (status !== 0) throw new Error(`${command} ${args.join(' ')}: ${stderr.slice(-400)}`);
  return JSON.parse(stdout.trim().split('\n').at(-1));
}

/** What copying as many bytes as a linear merge moves takes: every model read, one written. */
function copyBaseline() {
  const models = ['base', ...Array.from({ length: tunes }, (_, i) => `tune${i + 1}`)].map((name) =>
    join(folder, name),
  );
  const files = models.flatMap((model) => readdirSync(model).map((name) => join(model, name)));
  const target = join(folder, 'copy');
  const began = performance.now();
  let bytes = 0;
  for (const file of files) {
    rmSync(target, { force: true });
    copyFileSync(file, target);
    bytes += 2 * statSync(file).size;
  }
  rmSync(target, { force: true });
  return bytes / ((performance.now() - began) / 1000);
}

/** The least and the greatest ratio of one turn, in which both tools ran one after the other. */
const spreadOf = (ratios) => ({ leastTimes: Math.min(...ratios), mostTimes: Math.max(...ratios) });

/** Output parameters. */
const millions = (perSecond) => `${(perSecond / 1e6).toPrecision(3)} M/s`;

/** As the README has it: a row a method. */
function markdown(rows) {
  const cells = rows.map((row) => [
    `\`${row.method}\``,
    millions(row.parametersPerSecond),
    ...(row.mergekitSeconds === undefined
      ? ['', '']
      : [
          millions((row.parametersPerSecond * row.seconds) / row.mergekitSeconds),
          `${row.timesFaster.toPrecision(3)} (${row.leastTimes.toPrecision(3)} to ${row.mostTimes.toPrecision(3)})`,
        ]),
    row.ofCopy.toFixed(2),
    `${Math.round(row.peakMegabytes)} MB`,
    row.mergekitPeakMegabytes === undefined ? '' : `${(row.mergekitPeakMegabytes / 1e3).toFixed(1)} GB`,
  ]);
  const head = ['method', 'heddle', 'mergekit', 'times faster', 'of a copy', 'peak', 'peak of mergekit'];
  return [head, head.map(() => '---'), ...cells].map((row) => `| ${row.join(' | ')} |`).join('\n');
}

const median = (numbers) => numbers.toSorted((a, b) => a - b)[numbers.length >> 1];
const rows = [];
for (const method of values.methods.split(',')) {
  const recipe = join(folder, `${method}.yml`);
  writeFileSync(recipe, recipeOf(method));
  const turns = { heddle: [], mergekit: [] };
  let copy = 0;
  for (let turn = 0; turn < Number(values.turns); turn++) {
    copy = Math.max(copy, copyBaseline());
    turns.heddle.push(measured(process.execPath, [join(here, 'merge-once.mjs'), recipe]));
    if (existsSync(python))
      turns.mergekit.push(measured(python, [join(here, '../peers/mergekit_merge.py'), recipe]));
  }
  const of = (tool, key) => median(turns[tool].map((turn) => turn[key]));
  const peer = turns.mergekit.length > 0;
  rows.push({
    method,
    parametersPerSecond: of('heddle', 'parameters') / of('heddle', 'seconds'),
    seconds: of('heddle', 'seconds'),
    cpuSeconds: of('heddle', 'cpuSeconds'),
    peakMegabytes: of('heddle', 'peakBytes') / 1e6,
    ofCopy: of('heddle', 'bytesMoved') / of('heddle', 'seconds') / copy,
    ...(peer && {
      mergekitSeconds: of('mergekit', 'seconds'),
      mergekitCpuSeconds: of('mergekit', 'cpuSeconds'),
      mergekitPeakMegabytes: of('mergekit', 'peakBytes') / 1e6,
      timesFaster: of('mergekit', 'seconds') / of('heddle', 'seconds'),
      ...spreadOf(turns.mergekit.map(({ seconds }, turn) => seconds / turns.heddle[turn].seconds)),
      timesLessCpu: of('mergekit', 'cpuSeconds') / of('heddle', 'cpuSeconds'),
    }),
  });
}
if (values.markdown) console.log(markdown(rows));
else if (values.json)
  console.log(
    JSON.stringify({ cpu: cpus()[0]?.model, cores: cpus().length, size: values.size, tunes, rows }),
  );
else
  console.table(
    rows.map((row) =>
      Object.fromEntries(
        Object.entries(row).map(([key, value]) => [
          key,
          typeof value === 'number' ? Number(value.toPrecision(3)) : value,
        ]),
      ),
    ),
  );
