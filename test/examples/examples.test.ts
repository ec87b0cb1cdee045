/** Every example runs as a reader would run it, from a clone, and says what it should. */
import { execFile } from 'node:child_process';
import { readdir } from 'node:fs/promises';
import { fileURLToPath } from 'node:url';
import { promisify } from 'node:util';
import { describe, expect, it } from 'vitest';

const root = fileURLToPath(new URL('../../', import.meta.url));

async function run(example: string, environment: Record<string, string> = {}): Promise<string> {
  const { stdout } = await promisify(execFile)(process.execPath, [`examples/${example}`], {
    cwd: root,
    timeout: 55_000,
    env: { ...process.env, ...environment },
  });
  return stdout;
}

function number(text: string, pattern: RegExp): number {
  const match = pattern.exec(text);
  if (!match) throw new Error(`no ${pattern} in:\n${text}`);
  return Number(match[1]);
}

const examples: Record<string, (stdout: string) => void> = {
  'quickstart.mjs'(stdout) {
    expect(number(stdout, /accuracy ([\d.]+) % after 20 rounds/)).toBeGreaterThan(95);
    expect(stdout).toMatch(/back end (native|wasm) \(\S+\), \d+ threads/);
    expect(stdout).toMatch(/fingerprint [0-9a-f]{64}\n/);
  },
  'own-model.mjs'(stdout) {
    // 784 * 64 + 64 + 64 * 10 + 10
    expect(stdout).toContain('two-layers: 50890 parameters in fc1.weight, fc1.bias, out.weight, out.bias');
    expect(number(stdout, /accuracy ([\d.]+) %/)).toBeGreaterThan(85);
    expect(stdout).toContain('out.bias has 10 values');
  },
  'own-strategy.mjs'(stdout) {
    expect(number(stdout, /^trim: accuracy ([\d.]+) %/m)).toBeGreaterThan(80);
    expect(number(stdout, /^close-to-smallest: accuracy ([\d.]+) %/m)).toBeGreaterThan(80);
  },
  'own-dataset.mjs'(stdout) {
    expect(stdout).toContain('40 clients, the first is sensor 100');
    expect(number(stdout, /accuracy ([\d.]+) %/)).toBeGreaterThan(90);
    expect(stdout).toContain('ERR_LABEL_RANGE: dataset: label of example 2 is 4');
  },
  'own-server-aggregator.mjs'(stdout) {
    // Norms 0.001 sqrt(1e5) and 0.1 sqrt(1e5); 49 small ones and 50 clipped to 1 / sqrt(1e5) a coordinate, over 100.
    expect(stdout).toContain('device-0: norm 0.316\n');
    expect(stdout).toContain('device-1: norm 31.623, clipped to 1');
    expect(stdout).toContain('ERR_UPDATE_NOT_FINITE: the update of client device-42 holds NaN');
    expect(stdout).toContain('99 updates');
    const mean = (49 * 0.001 + 50 / Math.sqrt(1e5)) / 100;
    expect(number(stdout, /mean\[0\] = ([\d.]+)/)).toBeCloseTo(mean, 6);
  },
  'kernels.mjs'(stdout) {
    expect(stdout).toContain('equal to the last bit');
    expect(stdout).toMatch(/^wasm/m);
    // y = 1 + x / 2 with x normal: E y^2 = 1.25; 2^20 draws scatter by 0.1 %, the bounds are 10 of that.
    const norm = number(stdout, /^reference \S+ norm ([\d.]+)/m);
    expect(Math.abs(norm / Math.sqrt(1.25 * 2 ** 20) - 1)).toBeLessThan(0.01);
  },
  'events.mjs'(stdout) {
    expect(stdout).toMatch(/^start: 30 clients on (native|wasm)\nround 5: accuracy [\d.]+ %\nround 10:/);
    const rounds = number(stdout, /end: interrupted after (\d+) rounds/);
    expect(rounds).toBeGreaterThanOrEqual(15);
    expect(rounds).toBeLessThan(1000);
    expect(stdout).toContain(`ERR_RUN_ABORTED: ${rounds} rounds kept`);
    for (const file of ['metrics.jsonl', 'model.safetensors', 'report.html', 'summary.json'])
      expect(stdout).toContain(file);
  },
  'merge-finetunes.mjs'(stdout) {
    const mean = (model: string): number => number(stdout, new RegExp(`^${model} .* ([\\d.]+)$`, 'm'));
    const single = Math.max(...['left', 'right', 'noise'].map(mean));
    // The mean of 30,000 judgements of 10,000 images scatters by 0.3 %; the figures here are 1.2 % and more above the best fine-tune.
    const merged = [
      'linear',
      'slerp',
      'task_arithmetic',
      'ties',
      'dare_ties',
      'fisher',
      'regmean',
      'greedy_soup',
    ];
    for (const method of merged) expect(mean(method), method).toBeGreaterThan(single + 1);
    expect(mean('uniform_soup')).toBe(mean('linear'));
    expect(mean('model_stock')).toBeGreaterThan(mean('base') + 1);
    // What is known of the sites' inputs helps most.
    for (const method of merged.filter((name) => name !== 'regmean'))
      expect(mean('regmean'), method).toBeGreaterThan(mean(method) + 1);
    // Best first is the one that sees noise; the base makes the soup no better.
    expect(stdout).toMatch(/the greedy soup is made of noise and (left and right|right and left)\n/);
  },
  'merge-in-memory.mjs'(stdout) {
    // Both have the direction (3, 4) in common: cos = 25 / sqrt(29 * 41), coefficients sin(0.6 th) / sin th and sin(0.4 th) / sin th.
    const angle = Math.acos(25 / Math.sqrt(29 * 41));
    const [x, y] = [0.6, 0.4].map((t) => Math.sin(t * angle) / Math.sin(angle));
    const between = /^between a and b: (.*)$/m.exec(stdout)?.[1].split(', ').map(Number) ?? [];
    for (const [i, want] of [3 * (x + y), 4 * (x + y), 2 * x, -4 * y].entries())
      expect(between[i]).toBeCloseTo(want, 6);
    expect(stdout).toContain('what both learnt: 3, 4, 2, -4\n');
    expect(stdout).toContain('half of both: 3, 4, 1, -2\n');
    expect(stdout).toContain('b without its task: 3, 4, 0, 0\n');
    expect(stdout).toMatch(/^ERR_TASK_VECTOR_BASE: use the base that the fine-tune began from/m);
  },
  'one-shot-merge.mjs'(stdout) {
    const accuracy = (name: string): number => number(stdout, new RegExp(`^${name} +([\\d.]+) %`, 'm'));
    const base = accuracy('base');
    const own = [0, 1, 2, 3, 4, 5].map((client) => accuracy(`client ${client}`));
    const mean = own.reduce((sum, each) => sum + each, 0) / 6;
    expect(accuracy('mean of clients')).toBeCloseTo(mean, 1);
    // Each client forgets the digits that it hardly has. 10,000 test images scatter by 0.5 %.
    expect(Math.max(...own)).toBeLessThan(base - 5);
    const merged = ['weighted-mean', 'model-stock', 'ties', 'dare-ties', 'sce', 'fisher', 'regmean'];
    for (const rule of merged) expect(accuracy(rule), rule).toBeGreaterThan(mean + 10);
    for (const rule of ['fisher', 'regmean']) {
      expect(accuracy(rule), rule).toBeGreaterThan(base + 1.5);
      expect(accuracy(rule), rule).toBeGreaterThan(accuracy('weighted-mean') + 1.5);
    }
    expect(number(stdout, /t = ([\d.]+), angle/)).toBeGreaterThan(0.3);
    // 50,890 parameters of 6 clients; the Fisher information as much again; upper triangles of 784 and 64 inputs.
    const sent = (rule: string): number => number(stdout, new RegExp(`^${rule} .* ([\\d.]+) MB`, 'm'));
    const parameters = 6 * 4 * 50890;
    expect(sent('model-stock')).toBeCloseTo(parameters / 1e6, 2);
    expect(sent('fisher')).toBeCloseTo((2 * parameters) / 1e6, 2);
    const triangles = (784 * 785) / 2 + (64 * 65) / 2;
    expect(sent('regmean')).toBeCloseTo((parameters + 6 * 4 * triangles) / 1e6, 2);
  },
  'evolve-search.mjs'(stdout) {
    const accuracy = (name: string): number => number(stdout, new RegExp(`^${name}: ([\\d.]+) %`, 'm'));
    // 10,000 test images scatter by 0.3 %; the figures are 2.8 % and 3.6 % apart.
    expect(accuracy('winner')).toBeGreaterThan(accuracy('base') + 1.5);
    expect(accuracy('winner')).toBeGreaterThan(accuracy('mean of the three') + 1.5);
    expect(Math.max(...['low', 'mid', 'high'].map(accuracy))).toBeLessThan(70);
    expect(stdout).toMatch(/^generation 6: /m);
  },
  'own-trainer.mjs'(stdout) {
    expect(number(stdout, /accuracy ([\d.]+) %/)).toBeGreaterThan(90);
    expect(number(stdout, /training loss ([\d.]+)/)).toBeLessThan(0.3);
    // 10 rounds of 5 clients, each 6 codes and one float32 scale.
    expect(stdout).toContain('sent up 500 bytes');
  },
};

describe('examples', () => {
  it('are all tested', async () => {
    const files = (await readdir(`${root}examples`)).filter((name) => /\.(mjs|ts)$/.test(name));
    expect(files.sort()).toEqual(Object.keys(examples).sort());
  });

  it.each(Object.keys(examples))('%s', async (name) => {
    examples[name](await run(name));
  });

  it.each([
    'own-model.mjs',
    'own-strategy.mjs',
    'own-server-aggregator.mjs',
    'events.mjs',
    'merge-in-memory.mjs',
  ])('%s, where there is no addon', async (name) => {
    examples[name](await run(name, { HEDDLE_BACKEND: 'wasm' }));
  });
});
