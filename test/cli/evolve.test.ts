import { createHash } from 'node:crypto';
import { mkdir, mkdtemp, readdir, readFile, rename, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { afterAll, describe, expect, it } from 'vitest';
import { parse } from 'yaml';
import { evolveCommand, type MergeRecipe } from '../../src/cli/evolve.js';
import { openFitness } from '../../src/cli/evolve-fitness.js';
import { mergeRecipe } from '../../src/merge/merge.node.js';
import { softmaxRegression } from '../../src/nn/zoo.js';
import { renderSearchPage, searchPageStyle } from '../../src/report/evolve-page.js';
import { encodeSafetensors } from '../../src/tensor/safetensors/encode.js';

const root = await mkdtemp(join(tmpdir(), 'heddle-evolve-'));
afterAll(() => rm(root, { recursive: true, force: true }));

/** Stands for the merge: the folder holds the recipe alone. */
const merge: MergeRecipe = async (recipe, folder) => {
  await mkdir(folder);
  await writeFile(join(folder, 'merged.json'), JSON.stringify(parse(recipe)));
};

async function evolve(args: string[], using = merge): Promise<number | undefined> {
  let code: number | undefined;
  const command = evolveCommand(using)((action) => async (...received) => {
    code = await action(...received);
  });
  await command.exitOverride().parseAsync([...args, '--quiet', '--json'], { from: 'user' });
  return code;
}

/** Scores by how near the first weight is to 0.9 of the sum. */
const module = `import { readFileSync } from 'node:fs';
export function fitness({ model }) {
  const { models } = JSON.parse(readFileSync(model + '/merged.json', 'utf8'));
  const [a, b] = models.map((m) => m.parameters.weight);
  return Math.abs(a / (a + b) - 0.9);
}
`;
const search = (name: string, more = '') => `genome: {kind: parameters, models: [a, b], merge_method: linear}
fitness: {type: module, module: ${name}, goal: minimize}
optimizer: {seed: 5, max_generations: 6}
${more}`;

async function searchFolder(name: string, text: string): Promise<{ file: string; out: string }> {
  const folder = join(root, name);
  await mkdir(folder);
  await writeFile(join(folder, 'fitness.mjs'), module);
  for (const model of ['a', 'b']) await mkdir(join(folder, model));
  await writeFile(join(folder, 'search.yaml'), text);
  return { file: join(folder, 'search.yaml'), out: join(folder, 'out') };
}

describe('heddle evolve', () => {
  it('leaves recipe, checkpoint and page, and no candidate', async () => {
    const { file, out } = await searchFolder('plain', search('fitness.mjs', 'parallel: 3\n'));
    expect(await evolve([file, out])).toBe(0);
    expect((await readdir(out)).sort()).toEqual(['checkpoint.json', 'recipe.yaml', 'search.html']);
    const recipe = parse(await readFile(join(out, 'recipe.yaml'), 'utf8'));
    expect(recipe.merge_method).toBe('linear');
    const [a, b] = recipe.models.map((m: { parameters: { weight: number } }) => m.parameters.weight);
    const { best, history } = JSON.parse(await readFile(join(out, 'checkpoint.json'), 'utf8'));
    expect(best.score).toBe(-Math.abs(a / (a + b) - 0.9));
    expect(history).toHaveLength(6);
    // Relative to the recipe, so that the folder can move as a whole.
    expect(recipe.models[1].model).toBe('../b');
  });

  it('refuses a used folder without --resume, and resumes to the end of a search never stopped', async () => {
    const whole = await searchFolder('whole', search('fitness.mjs'));
    await evolve([whole.file, whole.out]);
    await expect(evolve([whole.file, whole.out])).rejects.toThrow(/--resume/);

    const parts = await searchFolder(
      'parts',
      search('fitness.mjs').replace('generations: 6', 'generations: 3'),
    );
    await evolve([parts.file, parts.out]);
    // From another place.
    await rename(join(root, 'parts'), join(root, 'moved'));
    parts.file = join(root, 'moved', 'search.yaml');
    parts.out = join(root, 'moved', 'out');
    await writeFile(parts.file, search('fitness.mjs'));
    // As a killed process leaves it.
    await mkdir(join(parts.out, '.candidate-x', 'model'), { recursive: true });
    await evolve([parts.file, parts.out, '--resume', '--parallel', '3']);
    expect((await readdir(parts.out)).sort()).toEqual(['checkpoint.json', 'recipe.yaml', 'search.html']);
    const historyOf = async (out: string) =>
      JSON.parse(await readFile(join(out, 'checkpoint.json'), 'utf8')).history;
    expect(await historyOf(parts.out)).toEqual(await historyOf(whole.out));
    expect(await readFile(join(parts.out, 'checkpoint.json'), 'utf8')).toBe(
      await readFile(join(whole.out, 'checkpoint.json'), 'utf8'),
    );
    for (const name of ['recipe.yaml', 'search.html'])
      expect(await readFile(join(parts.out, name), 'utf8')).toBe(
        await readFile(join(whole.out, name), 'utf8'),
      );
  });

  it('runs a command beside the search file', async () => {
    const text = search('fitness.mjs').replace(
      /fitness: .*/,
      `fitness: {type: command, command: ['${process.execPath}', score.mjs]}`,
    );
    const { file, out } = await searchFolder('command', text.replace('generations: 6', 'generations: 1'));
    const script = `import { fitness } from './fitness.mjs';\nconsole.log(fitness({ model: process.argv[2] }));\n`;
    await writeFile(join(root, 'command', 'score.mjs'), script);
    expect(await evolve([file, out, '--parallel', '2'])).toBe(0);
  });

  it('weighs the tasks of a module and of a command, and keeps what each gave', async () => {
    const tasks = 'tasks: [near, {name: far, weight: -2}]';
    const text = `genome: {kind: parameters, models: [a, b], merge_method: linear}
fitness: {type: module, module: tasks.mjs, ${tasks}}
optimizer: {max_generations: 1}
`;
    const { file, out } = await searchFolder('tasks', text);
    const answer = '({ near: 3, far: 1.25, other: 9 })';
    await writeFile(join(root, 'tasks', 'tasks.mjs'), `export const fitness = () => ${answer};\n`);
    await evolve([file, out]);
    const { best, history } = JSON.parse(await readFile(join(out, 'checkpoint.json'), 'utf8'));
    expect(best).toMatchObject({ score: 0.5, perTask: { near: 3, far: 1.25 } });
    expect(history[0].perTask).toEqual({ near: 3, far: 1.25 });

    const fitnessOf = (script: string) =>
      openFitness(
        {
          type: 'command',
          command: [process.execPath, '-e', script],
          timeout: 20,
          goal: 'minimize',
          tasks: [{ name: 'near', weight: 1 }],
        },
        root,
      );
    const input = { model: root, recipe: '', generation: 1, index: 0, signal: new AbortController().signal };
    const score = async (script: string) => {
      const fitness = await fitnessOf(script);
      if (fitness.kind !== 'folder') throw new Error('a command judges folders');
      return fitness.score(input);
    };
    await expect(score('console.log(JSON.stringify({ near: 2 }))')).resolves.toEqual({
      score: -2,
      perTask: { near: 2 },
    });
    await expect(score('console.log(2)')).rejects.toThrow(/JSON object/);
    await expect(score('console.log("{\\"far\\": 2}")')).rejects.toThrow(/task near.*undefined/s);
  });

  it('says what is wrong with files and modules', async () => {
    await expect(evolve([join(root, 'none.yaml'), join(root, 'x')])).rejects.toThrow(/cannot be read/);
    const bad = await searchFolder('bad', search('missing.mjs'));
    await expect(evolve([bad.file, bad.out])).rejects.toThrow(/missing\.mjs is not there/);
    await writeFile(join(root, 'bad', 'missing.mjs'), 'export function fitness( {');
    await expect(evolve([bad.file, bad.out])).rejects.toThrow(/missing\.mjs cannot be loaded/);
    expect(await readdir(dirname(bad.out))).not.toContain('out');
    await expect(evolve([bad.file, join(bad.file, 'out')])).rejects.toThrow(/is a file, not a folder/);
    const lost = await searchFolder('lost', search('fitness.mjs'));
    await rm(join(root, 'lost', 'b'), { recursive: true });
    await expect(evolve([lost.file, lost.out])).rejects.toThrow(/models that are not there: b /);
    const failing: MergeRecipe = () => Promise.reject(new Error('no such tensor'));
    const { file, out } = await searchFolder('failing', search('fitness.mjs'));
    await expect(evolve([file, out], failing)).rejects.toThrow(/none of the first .* no such tensor/s);
    expect(await readdir(dirname(out))).not.toContain('out');
  });
});

describe('heddle evolve with the real merge', () => {
  it('finds a better model than either, and its recipe merges to the very bytes that were scored', async () => {
    const folder = join(root, 'real');
    await mkdir(folder);
    const { spec } = softmaxRegression(4, 2);
    const wanted = Float32Array.from({ length: spec.size }, (_, i) => i / 8);
    // a + b is the wanted model plus noise that cancels at weights 0.3 and 0.7.
    const noise = wanted.map((_, i) => ((i * 7) % 5) - 2);
    const models: [string, Float32Array][] = [
      ['a', wanted.map((w, i) => w + 0.7 * noise[i])],
      ['b', wanted.map((w, i) => w - 0.3 * noise[i])],
    ];
    for (const [name, params] of models) {
      await mkdir(join(folder, name));
      await writeFile(join(folder, name, 'model.safetensors'), encodeSafetensors(spec, params));
    }
    const far = `import { readFileSync, writeFileSync } from 'node:fs';
export function fitness({ model, generation, index }) {
  const bytes = readFileSync(model + '/model.safetensors');
  writeFileSync(new URL('./seen-' + generation + '-' + index, import.meta.url), bytes);
  const start = 8 + Number(bytes.readBigUInt64LE(0));
  const order = JSON.parse(bytes.toString('utf8', 8, start));
  let sum = 0;
  const at = { 'fc.weight': 0, 'fc.bias': 8 };
  for (const [name, first] of Object.entries(at)) {
    const [begin, end] = order[name].data_offsets;
    for (let i = 0; i < (end - begin) / 4; i++)
      sum += (bytes.readFloatLE(start + begin + 4 * i) - (first + i) / 8) ** 2;
  }
  return sum;
}
`;
    await writeFile(join(folder, 'far.mjs'), far);
    const text = `genome: {kind: parameters, models: [a, b], merge_method: linear}
fitness: {type: module, module: far.mjs, goal: minimize}
optimizer: {seed: 2, max_evaluations: 60}
parallel: 2
`;
    await writeFile(join(folder, 'search.yaml'), text);
    const out = join(folder, 'out');
    let code: number | undefined;
    const command = evolveCommand()((action) => async (...received) => {
      code = await action(...received);
    });
    await command.parseAsync([join(folder, 'search.yaml'), out, '--quiet', '--json'], { from: 'user' });
    expect(code).toBe(0);
    const { best } = JSON.parse(await readFile(join(out, 'checkpoint.json'), 'utf8'));
    // Either model alone is at 0.49 or 0.09 times the energy of the noise, 24.
    expect(-best.score).toBeLessThan(0.01);
    await mergeRecipe(join(out, 'recipe.yaml'), join(folder, 'winner'));
    const winner = await readFile(join(folder, 'winner', 'model.safetensors'));
    const scored = await readFile(join(folder, `seen-${best.generation}-${best.index}`));
    expect(winner.equals(scored)).toBe(true);
  }, 60_000);
});

describe('the built-in fitness', () => {
  it('gives the accuracy of a model that knows one class, and the loss of one that knows nothing', async () => {
    const model = softmaxRegression();
    const task = { type: 'builtin', task: 'mnist-lr', synthetic: true, limit: 500, part: 'test' } as const;
    const scoreOf = async (metric: 'accuracy' | 'loss', biases: Float32Array[]): Promise<number[]> => {
      const fitness = await openFitness({ ...task, metric }, root);
      if (fitness.kind !== 'memory') throw new Error('written to disk');
      const scores: number[] = [];
      for (const [k, bias] of biases.entries()) {
        const params = new Float32Array(model.spec.size);
        model.spec.slice(params, 'fc.bias').set(bias);
        const folder = join(root, `${metric}-${k}`);
        await mkdir(folder);
        await writeFile(join(folder, 'model.safetensors'), encodeSafetensors(model.spec, params));
        const recipe = `merge_method: linear\nmodels: [{model: ${folder}, parameters: {weight: 1}}]\n`;
        scores.push((await fitness.score(recipe, new AbortController().signal)).score);
      }
      await fitness.dispose();
      return scores;
    };
    // Equal logits: ln 10.
    const [loss] = await scoreOf('loss', [new Float32Array(10)]);
    expect(loss).toBeCloseTo(-Math.log(10), 6);
    const constant = Array.from({ length: 10 }, (_, c) =>
      Float32Array.from({ length: 10 }, (_v, i) => (i === c ? 5 : 0)),
    );
    const total = (await scoreOf('accuracy', constant)).reduce((sum, score) => sum + score, 0);
    // Each example is right for exactly one of the ten constant models.
    expect(total).toBeCloseTo(1, 9);
  }, 60_000);

  it('searches between trained-like models without writing any', async () => {
    const folder = join(root, 'builtin');
    await mkdir(folder);
    const model = softmaxRegression();
    for (const seed of [1, 2]) {
      await mkdir(join(folder, `m${seed}`));
      await writeFile(
        join(folder, `m${seed}`, 'model.safetensors'),
        encodeSafetensors(model.spec, model.init(seed)),
      );
    }
    const text = `genome: {kind: parameters, models: [m1, m2], merge_method: linear, filters: [bias]}
fitness: {type: builtin, task: mnist-lr, synthetic: true, limit: 200, metric: loss}
optimizer: {max_generations: 4}
`;
    await writeFile(join(folder, 'search.yaml'), text);
    const refusing: MergeRecipe = () => Promise.reject(new Error('wrote a candidate'));
    expect(await evolve([join(folder, 'search.yaml'), join(folder, 'out')], refusing)).toBe(0);
    const { history } = JSON.parse(await readFile(join(folder, 'out', 'checkpoint.json'), 'utf8'));
    expect(history.at(-1).bestSoFar).toBeGreaterThanOrEqual(history[0].best);
    expect(history.every(({ failed }: { failed: number }) => failed === 0)).toBe(true);
  }, 60_000);
});

describe('the page of a search', () => {
  it('has a policy that fits its style, no script, and escapes', () => {
    const styleSha256 = createHash('sha256').update(searchPageStyle).digest('base64');
    const record = {
      generation: 1,
      restart: 0,
      evaluations: 8,
      median: 0.2,
      lowerQuartile: 0.1,
      upperQuartile: 0.3,
      mean: 0.22,
      perTask: { 'a<b': 0.4, c: 0.6 },
      bestSoFar: 0.5,
      failed: 1,
      sigma: 0.1,
    };
    const page = renderSearchPage({
      title: '<b>"x"',
      records: [
        { ...record, best: 0.5 },
        { ...record, generation: 2, restart: 1, best: null, median: null, mean: null, lowerQuartile: null },
      ],
      scored: 'accuracy of <x>',
      best: { generation: 1, perTask: { 'a<b': 0.4 } },
      parameters: [{ model: '<m>', where: 'layer 0', name: 'weight', value: -0.5 }],
      recipe: 'merge_method: "<script>"',
      styleSha256,
    });
    expect(page).not.toMatch(/<script|<b>|style="|https?:/);
    expect(page).toContain(`<style>${searchPageStyle}</style>`);
    expect(page).toContain(`style-src &#39;sha256-${styleSha256}&#39;`);
    expect(page).not.toMatch(/NaN|undefined|Infinity/);
    expect(page.match(/class="dot"/g)).toHaveLength(1);
    expect(page).not.toMatch(/<m>|<x>|a<b/);
    const empty = renderSearchPage({
      title: 'x',
      scored: '',
      records: [],
      best: null,
      parameters: [],
      recipe: '',
      styleSha256,
    });
    expect(empty).toContain('No generation was finished.');
  });
});
