import { readFileSync } from 'node:fs';
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { dataflowGenome, decodeLayerPath } from '../../../src/merge/evolve/dataflow-genome.js';
import { SearchError } from '../../../src/merge/evolve/errors.js';
import { foundParameters } from '../../../src/merge/evolve/found-parameters.js';
import { renameModels } from '../../../src/merge/evolve/genome.js';
import { methodGenes } from '../../../src/merge/evolve/method-genes.js';
import { type ParameterGenomeOptions, parameterGenome } from '../../../src/merge/evolve/parameter-genome.js';

const golden = (file: string) =>
  JSON.parse(readFileSync(new URL(`../../golden/merge/dfs-decode/${file}`, import.meta.url), 'utf8'));

const recipeOf = (options: ParameterGenomeOptions, vector: number[]) =>
  parameterGenome(options).decode(vector);

describe('parameterGenome', () => {
  it('starts at equal weights and full density', () => {
    const genome = parameterGenome({ models: ['a', 'b', 'c', 'd'], mergeMethod: 'ties', baseModel: 'base' });
    expect(genome.start).toEqual([0.25, 1, 0.25, 1, 0.25, 1, 0.25, 1]);
    expect(genome.decode(genome.start)).toEqual({
      merge_method: 'ties',
      base_model: 'base',
      models: ['a', 'b', 'c', 'd'].map((model) => ({ model, parameters: { weight: 0.25, density: 1 } })),
      parameters: { normalize: true },
    });
  });

  it('folds negative numbers, clamps densities, and keeps signs where allowed', () => {
    const options = { models: ['a'], mergeMethod: 'dare_linear', baseModel: 'base' };
    const parameters = (o: object) => {
      const recipe = recipeOf({ ...options, ...o }, [-0.5, -1.5]) as { models: { parameters: unknown }[] };
      return recipe.models[0].parameters;
    };
    expect(parameters({})).toEqual({ weight: 0.5, density: 1 });
    expect(parameters({ allowNegativeWeights: true })).toEqual({ weight: -0.5, density: 1 });
    expect(parameters({ bounds: { weight: { lower: -1, upper: 1 } } })).toEqual({ weight: -0.5, density: 1 });
  });

  it('starts every method at its own defaults, one step of the search being a like share of each', () => {
    const parametersOf = (mergeMethod: string) => {
      const genome = parameterGenome({ models: ['a'], mergeMethod, baseModel: 'base' });
      return foundParameters(genome.decode(genome.start) ?? {}).map(({ name, value }) => [name, value]);
    };
    expect(parametersOf('breadcrumbs')).toEqual([
      ['weight', 1],
      ['density', 1],
      ['gamma', 0.01],
    ]);
    expect(parametersOf('nearswap')).toEqual([['t', 0.001]]);
    expect(parametersOf('ram')).toEqual([['epsilon', 1e-5]]);
    expect(parametersOf('ramplus_tl')).toEqual([
      ['r', 0.1],
      ['alpha', 0.2],
    ]);
    expect(parametersOf('model_stock')).toEqual([['filter_wise', 0]]);
    expect(parametersOf('passthrough')).toEqual([['scale', 1]]);
    const stock = parameterGenome({ models: ['a', 'b'], mergeMethod: 'model_stock', baseModel: 'base' });
    expect(foundParameters(stock.decode([-0.7]) ?? {})[0].value).toBe(1);
  });

  it('orders the vector as groups, models, sets, params', () => {
    const options = {
      models: ['a', 'b'],
      mergeMethod: 'ties',
      baseModel: 'base',
      layers: 4,
      layerGranularity: 2,
      filters: ['mlp'],
    };
    const vector = Array.from({ length: 16 }, (_, i) => i / 16);
    const entry = (model: string, from: number, layer_range: number[]) => ({
      model,
      layer_range,
      parameters: {
        weight: [{ filter: 'mlp', value: from / 16 }, { value: (from + 2) / 16 }],
        density: [{ filter: 'mlp', value: (from + 1) / 16 }, { value: (from + 3) / 16 }],
      },
    });
    expect(recipeOf(options, vector)).toEqual({
      merge_method: 'ties',
      base_model: 'base',
      slices: [
        { sources: [entry('a', 0, [0, 2]), entry('b', 4, [0, 2])] },
        { sources: [entry('a', 8, [2, 4]), entry('b', 12, [2, 4])] },
      ],
      parameters: { normalize: true },
    });
  });

  it('writes gradients when smooth', () => {
    const options = {
      models: ['a', 'b'],
      mergeMethod: 'linear',
      layers: 6,
      layerGranularity: 2,
      smooth: true,
    };
    expect(recipeOf(options, [1, 2, 3, 4, 5, 6])).toEqual({
      merge_method: 'linear',
      models: [
        { model: 'a', parameters: { weight: [1, 3, 5] } },
        { model: 'b', parameters: { weight: [2, 4, 6] } },
      ],
      parameters: { normalize: true },
    });
  });

  it('lets slerp take the two largest, the first as base, t the softmax share of the second', () => {
    const options = { models: ['a', 'b', 'c'], mergeMethod: 'slerp', layers: 2, layerGranularity: 1 };
    const recipe = recipeOf(options, [0.1, 0.9, 0.5, 3, 1, 2]) as {
      slices: { base_model: string; sources: { model: string }[]; parameters: { t: number } }[];
    };
    expect(recipe.slices.map((slice) => slice.base_model)).toEqual(['b', 'a']);
    expect(recipe.slices.map(({ sources }) => sources.map(({ model }) => model))).toEqual([
      ['b', 'c'],
      ['a', 'c'],
    ]);
    expect(recipe.slices[0].parameters.t).toBeCloseTo(Math.exp(0.5) / (Math.exp(0.9) + Math.exp(0.5)), 14);
    expect(recipe.slices[1].parameters.t).toBeCloseTo(Math.exp(2) / (Math.exp(3) + Math.exp(2)), 14);
  });

  it('gives no recipe for a wrong length or NaN, and one for any finite vector of every method', () => {
    for (const mergeMethod of Object.keys(methodGenes)) {
      const genome = parameterGenome({ models: ['a', 'b'], mergeMethod, baseModel: 'base' });
      const vectors = fc.array(fc.double({ min: -5, max: 5, noNaN: true }), {
        minLength: genome.size,
        maxLength: genome.size,
      });
      fc.assert(
        fc.property(vectors, (vector) => {
          const text = JSON.stringify(genome.decode(vector));
          expect(text).toContain(mergeMethod);
          expect(text).not.toContain('null');
        }),
        { numRuns: 20 },
      );
      expect(genome.decode([...genome.start, 0])).toBeUndefined();
      expect(genome.decode(genome.start.map(() => Number.NaN))).toBeUndefined();
    }
  });

  it('refuses what cannot be searched, with the nearest method', () => {
    const models = ['a', 'b'];
    expect(() => parameterGenome({ models, mergeMethod: 'linaer' })).toThrow(/did you mean linear/);
    const refused: ParameterGenomeOptions[] = [
      { mergeMethod: 'slerp', models, smooth: true },
      { mergeMethod: 'slerp', models: ['a'] },
      { mergeMethod: 'linear', models: [] },
      { mergeMethod: 'linear', models, layers: 5, layerGranularity: 2 },
      { mergeMethod: 'linear', models, bounds: { density: { lower: 0, upper: 1 } } },
      { mergeMethod: 'linear', models, bounds: { weight: { lower: 1, upper: 0 } } },
    ];
    for (const options of refused) expect(() => parameterGenome(options)).toThrow(SearchError);
  });
});

describe('foundParameters', () => {
  it('lists the numbers of slices, filters and gradients with where they hold', () => {
    const options = { models: ['a', 'b'], mergeMethod: 'linear', layers: 4, layerGranularity: 2 };
    const sliced = recipeOf({ ...options, filters: ['mlp'] }, [1, 2, 3, 4, 5, 6, 7, 8]) ?? {};
    expect(foundParameters(sliced).map(({ model, where, value }) => [model, where, value])).toEqual([
      ['a', 'layers 0 to 1, names with mlp', 1],
      ['a', 'layers 0 to 1, other names', 2],
      ['b', 'layers 0 to 1, names with mlp', 3],
      ['b', 'layers 0 to 1, other names', 4],
      ['a', 'layers 2 to 3, names with mlp', 5],
      ['a', 'layers 2 to 3, other names', 6],
      ['b', 'layers 2 to 3, names with mlp', 7],
      ['b', 'layers 2 to 3, other names', 8],
    ]);
    const smooth = recipeOf({ ...options, smooth: true }, [1, 2, 3, 4]) ?? {};
    expect(foundParameters(smooth).map(({ where, value }) => [where, value])).toEqual([
      ['at 0 of 1 through the layers', 1],
      ['at 1 of 1 through the layers', 3],
      ['at 0 of 1 through the layers', 2],
      ['at 1 of 1 through the layers', 4],
    ]);
  });
});

describe('renameModels', () => {
  it('renames models and bases alone', () => {
    const recipe = {
      merge_method: 'linear',
      base_model: 'a',
      tokenizer_source: 'union',
      slices: [
        { base_model: 'a', sources: [{ model: 'a', layer_range: [0, 1], parameters: { weight: 1 } }] },
      ],
    };
    expect(renameModels(recipe, (name) => `x/${name}`)).toEqual({
      merge_method: 'linear',
      base_model: 'x/a',
      tokenizer_source: 'union',
      slices: [
        { base_model: 'x/a', sources: [{ model: 'x/a', layer_range: [0, 1], parameters: { weight: 1 } }] },
      ],
    });
  });
});

describe('dataflowGenome', () => {
  it('decodes the golden genome', () => {
    const { M, indicator, W } = golden('genome.json');
    const { layer_path, input_scale } = golden('expected.json');
    const path = decodeLayerPath(indicator, W.flat(), M);
    expect(path.layers).toEqual(layer_path);
    expect(path.inputScales).toEqual(input_scale);
  });

  it('starts at the first model as it is', () => {
    const genome = dataflowGenome({
      models: [
        { model: 'a', layers: 3 },
        { model: 'b', layers: 2 },
      ],
      repeats: 2,
      scales: true,
    });
    expect(genome.size).toBe(10 + 25);
    expect(genome.decode(genome.start)).toEqual({
      merge_method: 'passthrough',
      slices: [{ sources: [{ model: 'a', layer_range: [0, 3] }] }],
      merge_input_scales: [1, 1, 1],
    });
  });

  it('joins consecutive layers of a model and repeats layers', () => {
    const genome = dataflowGenome({
      models: [
        { model: 'a', layers: 2 },
        { model: 'b', layers: 2 },
      ],
      repeats: 2,
    });
    expect(genome.decode([1, 1, 0, 1, -1, 1, 1, 1])).toEqual({
      merge_method: 'passthrough',
      slices: [
        { sources: [{ model: 'a', layer_range: [0, 2] }] },
        { sources: [{ model: 'b', layer_range: [1, 2] }] },
        { sources: [{ model: 'a', layer_range: [1, 2] }] },
        { sources: [{ model: 'b', layer_range: [0, 2] }] },
      ],
      // Embedding, final norm and head are the first model's, wherever the path begins and ends.
      outside_layers: 'a',
    });
    expect(genome.decode([1, -1, 1, -1, 1, -1, -1, -1])).not.toHaveProperty('outside_layers');
    expect(genome.decode(new Array(8).fill(-1))).toBeUndefined();
  });
});
