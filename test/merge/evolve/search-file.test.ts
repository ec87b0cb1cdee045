import { describe, expect, it } from 'vitest';
import { ConfigError } from '../../../src/config/errors.js';
import {
  leakageWarnings,
  modelsOf,
  parseSearchFile,
  searchOf,
} from '../../../src/merge/evolve/search-file.js';

const text = `genome:
  kind: parameters
  models: [./a, ./b]
  merge_method: linear
  layer_granularity: 2
  bounds: {weight: [0, 1]}
fitness:
  type: command
  command: [node, score.mjs]
`;

function problemsOf(file: string) {
  try {
    parseSearchFile(file, 'search.yaml');
  } catch (error) {
    if (error instanceof ConfigError) return error.problems;
    throw error;
  }
  return [];
}

const context = { layersOf: async () => 6 };

describe('parseSearchFile', () => {
  it('fills in defaults and asks the model for its layers', async () => {
    const file = parseSearchFile(text, 'search.yaml');
    expect(file.parallel).toBe(1);
    expect(file.optimizer).toMatchObject({ seed: 0, sigma: 1 / 6, restarts: 0 });
    expect(file.fitness).toMatchObject({ goal: 'maximize', timeout: 3600 });
    const { genome } = await searchOf(file, context);
    // Three groups of two layers, two models.
    expect(genome.size).toBe(6);
    expect(JSON.stringify(genome.decode(genome.start))).toContain('"./b"');
  });

  it('reads data-flow genomes', async () => {
    const flow = `genome: {kind: dataflow, models: [{model: a}, {model: b, layers: 2}], repeats: 2}
fitness: {type: builtin, task: mnist-lr}
`;
    const { genome } = await searchOf(parseSearchFile(flow, 'x'), context);
    expect(genome.size).toBe((6 + 2) * 2);
    const scaled = parseSearchFile(flow.replace('repeats: 2', 'scales: true'), 'x');
    await expect(searchOf(scaled, context)).rejects.toThrow(/do not apply merge_input_scales/);
  });

  it('refuses unknown keys at their line, with the nearest known one', () => {
    const cases: [string, string, string, number][] = [
      [
        text.replace('merge_method: linear', 'merge_method: linear\n  smoth: true'),
        'genome.smoth',
        'smooth',
        5,
      ],
      [`${text}optimiser: {seed: 1}\n`, 'optimiser', 'optimizer', 10],
      [`${text}optimizer: {max_evaluation: 10}\n`, 'optimizer.max_evaluation', 'max_evaluations', 10],
      [`${text}  time_out: 3\n`, 'fitness.time_out', 'timeout', 10],
    ];
    for (const [file, path, near, line] of cases) {
      const [problem, ...others] = problemsOf(file);
      expect(others).toEqual([]);
      expect(problem).toMatchObject({ path, line, hint: `did you mean ${near}?` });
    }
  });

  it('reads tasks, and refuses two of one name', () => {
    const tasks = (list: string) => problemsOf(`${text}  tasks: ${list}\n`);
    expect(tasks('[gsm, {name: loss, weight: -2}]')).toEqual([]);
    expect(parseSearchFile(`${text}  tasks: [gsm]\n`, 'x').fitness).toMatchObject({
      tasks: [{ name: 'gsm', weight: 1 }],
    });
    expect(tasks('[a, {name: a}]')[0].message).toMatch(/one name/);
    expect(tasks('[{name: a, wieght: 1}]').length).toBe(1);
  });

  it('warns of benchmarks by name and of the test part, and lists the models', () => {
    const warn = (file: string) => leakageWarnings(parseSearchFile(file, 'x'));
    expect(warn(text)).toEqual([]);
    expect(warn(`${text}  tasks: [my_gsm8k_dev, mmlu, mathilda_pets, pets]\n`)).toHaveLength(2);
    const builtin = text.replace(/type: command\n {2}command.*/, 'type: builtin\n  task: mnist-lr');
    expect(warn(builtin)).toEqual([expect.stringContaining('test part of mnist-lr')]);
    expect(warn(`${builtin}  part: train\n`)).toEqual([]);
    expect(modelsOf(parseSearchFile(text, 'x'))).toEqual(['./a', './b']);
  });

  it('refuses wrong values, and files that are none', () => {
    expect(problemsOf(text.replace('layer_granularity: 2', 'layer_granularity: -1'))[0]).toMatchObject({
      path: 'genome.layer_granularity',
      line: 5,
    });
    for (const file of ['', 'genome: [', `${text}---\n${text}`, 'just text'])
      expect(problemsOf(file).length).toBeGreaterThan(0);
  });
});
