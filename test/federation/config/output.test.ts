import { createHash } from 'node:crypto';
import { readFileSync } from 'node:fs';
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { parse } from 'yaml';
import { z } from 'zod';
import { configJsonSchema } from '../../../src/federation/config/json-schema.js';
import {
  configHash,
  differencesFromDefaults,
  toResolvedYaml,
} from '../../../src/federation/config/output.js';
import { parseAssignments } from '../../../src/federation/config/overrides.js';
import { parseConfig, resolveOptions, resolveTask } from '../../../src/federation/config/resolve.js';
import { TASK_NAMES } from '../../../src/federation/config/schema.js';

const example = readFileSync('examples/mnist.yaml', 'utf8');
const changed = (...args: string[]) =>
  parseConfig(example, { overrides: args.flatMap(parseAssignments) }).config;

const variants = fc.record({
  task: fc.constantFrom(...TASK_NAMES),
  lr: fc.double({ min: 1e-6, max: 10, noNaN: true }),
  seed: fc.oneof(fc.maxSafeNat(), fc.bigInt(0n, (1n << 64n) - 1n).map(String)),
  optimizer: fc.constantFrom('sgd' as const, 'sgdm' as const, 'adam' as const),
  steps: fc.option(fc.integer({ min: 1, max: 50 }), { nil: undefined }),
  maxNorm: fc.double({ min: 1e-3, max: 100, noNaN: true }),
});
const resolveVariant = ({
  task,
  lr,
  seed,
  optimizer,
  steps,
  maxNorm,
}: typeof variants extends fc.Arbitrary<infer T> ? T : never) =>
  resolveOptions({
    data: { task },
    run: { seed },
    client: { lr, optimizer, localSteps: steps },
    update: { pipeline: [{ clip: { maxNorm } }, { quantize: { format: 'int8' } }] },
  }).config;

describe('the resolved file', () => {
  it('reads back as an equal configuration', () => {
    fc.assert(
      fc.property(variants, (variant) => {
        const config = resolveVariant(variant);
        expect(parseConfig(toResolvedYaml(config)).config).toEqual(config);
      }),
      { seed: 4, numRuns: 100 },
    );
  });

  it('is in kebab-case', () => {
    expect(toResolvedYaml(changed())).toMatch(/^ {2}num-server-rounds: 100$/m);
    expect(toResolvedYaml(changed())).not.toMatch(/^\s*[a-z]+[A-Z]\w*:/m);
  });
});

describe('the hash', () => {
  it('is SHA-256 of the sorted JSON, recomputed here from the resolved values', async () => {
    const config = resolveTask('mnist-lr').config;
    const sortedJson = (value: unknown): string => {
      if (Array.isArray(value)) return `[${value.map(sortedJson).join(',')}]`;
      if (typeof value !== 'object' || value === null) return JSON.stringify(value);
      const entries = Object.entries(value).sort(([a], [b]) => (a < b ? -1 : 1));
      return `{${entries.map(([k, v]) => `${JSON.stringify(k)}:${sortedJson(v)}`).join(',')}}`;
    };
    const { name: _name, ...run } = config.run;
    const { root: _root, ...data } = config.data;
    const { workers: _workers, ...backend } = config.backend;
    const { log: _log, report: _report, ...rest } = config;
    const text = sortedJson({ ...rest, run, data, backend });
    expect(await configHash(config)).toBe(createHash('sha256').update(text).digest('hex'));
  });

  it.each([
    'run.name=other',
    'run.dir=/elsewhere',
    'data.root=/data',
    'backend.workers=8',
    'log.sinks=[]',
    'log.client-metrics=all',
    'report.html=false',
  ])('does not see %s', async (argument) => {
    expect(await configHash(changed(argument))).toBe(await configHash(changed()));
  });

  it.each([
    'run.seed=1',
    'client.lr=0.2',
    'update.pipeline.1.clip.max-norm=1',
    'data.synthetic=true',
    'run.num-server-rounds=99',
  ])('sees %s', async (argument) => {
    expect(await configHash(changed(argument))).not.toBe(await configHash(changed()));
  });

  it('does not depend on the order or spelling of keys', async () => {
    const one = parseConfig('data: { task: mnist-lr }\nclient: { lr: 0.2, batch-size: 5 }').config;
    const two = parseConfig('client: { batchSize: 5, lr: 2.0e-1 }\ndata: { task: mnist-lr }').config;
    expect(await configHash(one)).toBe(await configHash(two));
  });
});

describe('differences from the defaults', () => {
  it.each([...TASK_NAMES])('a bare %s has none', (task) => {
    expect(differencesFromDefaults(resolveTask(task).config)).toEqual([]);
  });

  it('names path, value and default', () => {
    const config = resolveTask(
      'mnist-lr',
      parseAssignments('client.lr=0.5 client.local-epochs=null client.local-steps=3'),
    ).config;
    expect(differencesFromDefaults(config)).toEqual([
      { path: 'client.local-steps', value: 3, default: undefined },
      { path: 'client.lr', value: 0.5, default: 0.03 },
      { path: 'client.local-epochs', value: undefined, default: 1 },
    ]);
  });

  it('works without a task', () => {
    const source = '{ format: idx, images: a, labels: b, test-images: c, test-labels: d }';
    const { config } = parseConfig(`data: { source: ${source} }\nmodel: { type: mnist-cnn }`);
    const paths = differencesFromDefaults(config).map((difference) => difference.path);
    expect(paths.every((path) => path.startsWith('data') || path.startsWith('model'))).toBe(true);
  });
});

describe('the JSON Schema', () => {
  const published = JSON.parse(readFileSync('schema/heddle.schema.json', 'utf8')) as Record<string, unknown>;

  it('in the package is the one of these sources', () => {
    expect(published).toEqual(JSON.parse(JSON.stringify(configJsonSchema())));
  });

  it('accepts the examples as they are written, and refuses a misspelt key', () => {
    const validator = z.fromJSONSchema(published as Parameters<typeof z.fromJSONSchema>[0]);
    for (const file of ['examples/mnist.yaml', 'examples/mnist-plain.yaml']) {
      const text = readFileSync(file, 'utf8');
      expect(validator.safeParse(parse(text)).error?.issues ?? []).toEqual([]);
      expect(validator.safeParse(parse(text.replace('batch-size: 10', 'batch_size: 10'))).success).toBe(
        false,
      );
      expect(validator.safeParse(parse(text.replace('lr: 0.1', 'lr: 0'))).success).toBe(false);
    }
    const oneShot = readFileSync('examples/one-shot.yaml', 'utf8');
    expect(validator.safeParse(parse(oneShot)).error?.issues ?? []).toEqual([]);
    for (const [right, wrong] of [
      ['type: regmean, alpha', 'type: fisher, alpha'],
      ['alpha: 0.9 }', 'alpha: 2 }'],
      ['{ type: regmean, alpha: 0.9 }', 'regmeen'],
    ]) {
      expect(oneShot).toContain(right);
      expect(validator.safeParse(parse(oneShot.replace(right, wrong))).success).toBe(false);
    }
    const named = oneShot.replace('{ type: regmean, alpha: 0.9 }', 'regmean');
    expect(validator.safeParse(parse(named)).success).toBe(true);
    expect(parseConfig(oneShot).config.update.reduce).toEqual({ type: 'regmean', alpha: 0.9 });
  });

  it('describes every key, in kebab-case, and offers nothing that only code can pass', () => {
    let nKeys = 0;
    const visit = (node: unknown, path: string): void => {
      if (typeof node !== 'object' || node === null) return;
      for (const [key, child] of Object.entries(node)) {
        if (key === 'properties')
          for (const [name, property] of Object.entries(child as Record<string, { description?: string }>)) {
            nKeys += 1;
            expect(name).toMatch(/^\$?[a-z0-9]+(?:-[a-z0-9]+)*$/);
            if (name !== 'init') expect(property.description ?? '', `${path}.${name}`).not.toBe('');
          }
        visit(child, `${path}.${key}`);
      }
    };
    visit(published, '');
    expect(nKeys).toBeGreaterThan(80);
    expect(JSON.stringify(published)).not.toContain('"custom"');
    expect(JSON.stringify(published)).not.toContain('TypeScript');
  });
});
