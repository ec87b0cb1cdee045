import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { ConfigError } from '../../../src/config/errors.js';
import { dataset } from '../../../src/data/dataset.js';
import type { SimulateOptions } from '../../../src/federation/config/objects.js';
import { parseConfig, resolveOptions, resolveTask } from '../../../src/federation/config/resolve.js';
import { privacyVerdict } from '../../../src/federation/config/rules.js';
import { configSchema } from '../../../src/federation/config/schema.js';
import { allKeys } from '../../../src/federation/config/walk.js';
import { defineModel } from '../../../src/program/model.js';
import { clip } from '../../../src/update/clip.js';
import { fisherDropout } from '../../../src/update/fisher-dropout.js';
import { gaussianNoise } from '../../../src/update/gaussian-noise.js';
import { quantize } from '../../../src/update/quantize.js';
import type { Stage } from '../../../src/update/stage.js';

const tiny = (clientOf?: string[]) =>
  dataset({ name: 'tiny', x: new Uint8Array(8), shape: [2], y: [0, 1, 0, 1], classes: 2, clientOf });
const layers = { type: 'mlp' as const, layers: [2, 2] };

describe('options in TypeScript', () => {
  it('mean the same as the file', () => {
    const options: SimulateOptions = {
      data: { task: 'mnist-2nn', synthetic: true },
      run: { numServerRounds: 20 },
      update: { pipeline: [{ clip: { maxNorm: 1 } }] },
    };
    const text = [
      'data: { task: mnist-2nn, synthetic: true }',
      'run: { num-server-rounds: 20 }',
      'update: { pipeline: [{ clip: { max-norm: 1 } }] }',
    ].join('\n');
    expect(resolveOptions(options).config).toEqual(parseConfig(text).config);
  });

  it('keep the steering of a run apart', () => {
    const { signal } = new AbortController();
    const options = { data: { task: 'mnist-lr' as const }, signal, runDir: 'runs/x' };
    expect(resolveOptions(options).config).toEqual(resolveTask('mnist-lr').config);
  });

  it('say `options` where a file has a line', () => {
    const wrong = { data: { task: 'mnist-lr' }, client: { lrr: 1 } } as unknown as SimulateOptions;
    expect(() => resolveOptions(wrong)).toThrow(/^options: client\.lrr is not a known key/);
  });

  it('ignore keys that are undefined', () => {
    const options = { data: { task: 'mnist-lr' as const }, client: { lr: undefined } };
    expect(resolveOptions(options).config.client.lr).toBe(0.03);
  });
});

describe('objects in place of type names', () => {
  it('a dataset, a model, a strategy, a trainer and a stage', () => {
    const data = tiny();
    const net = defineModel({ name: 'net', input: [2], classes: 2 }, (t, x) =>
      t.dense(x, { units: 2, name: 'out' }),
    );
    const trim = { name: 'trim', aggregate: { transforms: [], reduce: { kind: 'x' } } };
    const trainer = { name: 'mine', train: async () => undefined };
    const stage = quantize({ format: 'f16' });
    const { config, objects } = resolveOptions({
      data,
      model: net,
      strategy: { type: trim, cohortSize: 2 },
      client: { lr: 0.5, trainer },
      update: { pipeline: [{ clip: { maxNorm: 1 } }, stage] },
    });
    expect(objects).toEqual({ dataset: data, model: net, strategy: trim, trainer, stages: [stage] });
    expect(objects.dataset).toBe(data);
    expect(config.data.source).toEqual({ format: 'custom', name: 'tiny' });
    expect(config.model).toEqual({ type: 'custom', name: 'net' });
    expect(config.strategy).toMatchObject({ type: 'custom', name: 'trim', cohortSize: 2 });
    expect(config.client).toMatchObject({ lr: 0.5, trainer: 'object:mine' });
    expect(config.update.pipeline[1]).toEqual({ custom: { name: 'quantize', index: 0 } });
    expect(structuredClone(config)).toEqual(config);
  });

  it('a strategy record may stand for the whole section', () => {
    const record = { name: 'trim', aggregate: async () => undefined };
    const { config, objects } = resolveOptions({ data: { task: 'mnist-lr' }, strategy: record });
    expect(objects.strategy).toBe(record);
    expect(config.strategy).toMatchObject({ type: 'custom', name: 'trim', cohortSize: 10 });
  });

  it('a strategy record excludes keys that it decides itself', () => {
    const record = { name: 'trim', aggregate: {} };
    const update = { reduce: 'fixed-denominator' as const };
    expect(() => resolveOptions({ data: { task: 'mnist-lr' }, strategy: record, update })).toThrow(
      ConfigError,
    );
  });

  it('stage objects are held to the privacy rules like stages by name', () => {
    const noise = gaussianNoise({ where: 'server', noiseMultiplier: 1, maxNorm: 1, source: 'secure' });
    const run = (pipeline: Stage[], change: SimulateOptions = {}) =>
      resolveOptions({
        data: { task: 'mnist-2nn' },
        update: { reduce: 'fixed-denominator', pipeline },
        ...change,
      });
    expect(() => run([noise])).toThrow(/no clip before it/);
    const support = fisherDropout({ rates: [0.5] });
    expect(() => run([support, clip({ maxNorm: 1 }), noise])).toThrow(/no accountant covers the choice/);
    const allowed = run([support, clip({ maxNorm: 1 }), noise], { privacy: { unaccounted: 'allow' } });
    const { guarantee } = privacyVerdict(allowed.config, allowed.objects);
    expect(guarantee.epsilon).toBe(Number.POSITIVE_INFINITY);
    expect(guarantee.reasons).toContain('the FisherDropout choice is unaccounted');
  });

  it('training and test data together', () => {
    const both = { train: tiny(), test: tiny() };
    expect(resolveOptions({ data: both, model: layers }).objects.dataset).toBe(both);
    expect(resolveOptions({ data: { source: both }, model: layers }).objects.dataset).toBe(both);
  });

  it('a dataset that names its clients is divided by them, and bounds the cohort', () => {
    const data = tiny(['a', 'b', 'b', 'c']);
    const { config } = resolveOptions({ data, model: layers });
    expect(config.data.partitioner).toEqual({ type: 'natural' });
    expect(config.strategy.cohortSize).toBe(3);
    expect(() => resolveOptions({ data, model: layers, strategy: { cohortSize: 4 } })).toThrow(
      /more than the 3 clients/,
    );
  });

  it('a dataset without a model is refused', () => {
    expect(() => resolveOptions({ data: tiny() })).toThrow(/model is missing/);
  });
});

it('a key that is not in the schema is always refused, wherever it stands', () => {
  const known = new Set(allKeys(configSchema).map((key) => key.name));
  const key = fc.stringMatching(/^[a-z][a-zA-Z]{0,12}$/).filter((name) => !known.has(name));
  const sections = [
    'run',
    'data',
    'client',
    'strategy',
    'update',
    'privacy',
    'eval',
    'backend',
    'log',
    'report',
  ];
  // Keys that name other tools' options at the top are reported by notes instead (aliases.test.ts).
  const section = fc.constantFrom(...sections, 'model');
  fc.assert(
    fc.property(section, key, fc.jsonValue({ maxDepth: 1 }), (name, unknownKey, value) => {
      const base = resolveTask('mnist-2nn').config as unknown as Record<string, Record<string, unknown>>;
      const options = { ...base, [name]: { ...base[name], [unknownKey]: value } };
      expect(() => resolveOptions(options as SimulateOptions)).toThrow(ConfigError);
    }),
    { seed: 3, numRuns: 300 },
  );
});
