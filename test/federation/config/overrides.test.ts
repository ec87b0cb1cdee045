import { describe, expect, it } from 'vitest';
import { ConfigError } from '../../../src/config/errors.js';
import { isAssignment, type Override, parseAssignments } from '../../../src/federation/config/overrides.js';
import { parseConfig, resolveTask } from '../../../src/federation/config/resolve.js';

const FILE = [
  'data: { task: mnist-2nn }',
  'client: { lr: 0.5, local-epochs: 2 }',
  'update: { pipeline: [{ clip: { max-norm: 2 } }] }',
].join('\n');

const withArguments = (...args: string[]) =>
  parseConfig(FILE, { source: 'run.yaml', overrides: args.flatMap(parseAssignments) }).config;

describe('splitting an argument of -c', () => {
  const pairs = (argument: string) =>
    parseAssignments(argument).map((o: Override) => (o.kind === 'set' ? [o.path, o.value] : []));

  it.each([
    ['client.lr=0.05', [['client.lr', '0.05']]],
    [
      'client.lr=0.05 update.pipeline=[]',
      [
        ['client.lr', '0.05'],
        ['update.pipeline', '[]'],
      ],
    ],
    [
      'run.name="a b=c" run.seed=1',
      [
        ['run.name', '"a b=c"'],
        ['run.seed', '1'],
      ],
    ],
    [
      'update.pipeline=[{clip: {max-norm: 1}}, {quantize: {format: int8}}] run.seed=2',
      [
        ['update.pipeline', '[{clip: {max-norm: 1}}, {quantize: {format: int8}}]'],
        ['run.seed', '2'],
      ],
    ],
    ['run.dir=C:/my runs', [['run.dir', 'C:/my runs']]],
    [
      "run.name=it's run.seed=3",
      [
        ['run.name', "it's"],
        ['run.seed', '3'],
      ],
    ],
  ])('%s', (argument, expected) => {
    expect(pairs(argument)).toEqual(expected);
  });

  it('takes anything else for a file', () => {
    expect(isAssignment('overrides/fast.yaml')).toBe(false);
    expect(isAssignment('./a=b.yaml')).toBe(false);
    expect(isAssignment('client.lr=1')).toBe(true);
  });
});

describe('laying overrides on a file', () => {
  it('types values as YAML and lets the last one win', () => {
    const config = withArguments('client.lr=0.05 run.seed=3', 'client.lr=1e-2', 'data.synthetic=true');
    expect(config.client.lr).toBe(0.01);
    expect(config.run.seed).toBe(3);
    expect(config.data.synthetic).toBe(true);
    expect(config.client.localEpochs).toBe(2);
  });

  it('accepts every spelling of a path', () => {
    expect(withArguments('client.batch_size=7').client.batchSize).toBe(7);
    expect(withArguments('client.batchSize=8').client.batchSize).toBe(8);
  });

  it('replaces lists and reaches into them', () => {
    expect(withArguments('update.pipeline=[]').update.pipeline).toEqual([]);
    const nested = withArguments('update.pipeline.0.clip.max-norm=0.5').update.pipeline;
    expect(nested).toEqual([{ clip: { maxNorm: 0.5 } }]);
    expect(withArguments('update.pipeline[0].clip.max-norm=0.25').update.pipeline).toEqual([
      { clip: { maxNorm: 0.25 } },
    ]);
  });

  it('null takes back what the file sets', () => {
    const { client } = withArguments('client.local-epochs=null client.local-steps=5');
    expect(client).toMatchObject({ localSteps: 5 });
    expect(client.localEpochs).toBeUndefined();
    expect(withArguments('client.lr=null').client.lr).toBe(0.1);
    expect(withArguments('update.pipeline.0=null').update.pipeline).toEqual([]);
  });

  it('merges a fragment key by key', () => {
    const fragment: Override = { kind: 'fragment', text: 'client: { batch-size: full }', source: 'f.yaml' };
    const { client } = parseConfig(FILE, { overrides: [fragment] }).config;
    expect(client).toMatchObject({ lr: 0.5, batchSize: 'full', localEpochs: 2 });
  });

  it('works on a bare task, and knows the longer key names', () => {
    const overrides = parseAssignments('local-batch-size=20 client.local-learning-rate=0.3');
    expect(resolveTask('mnist-lr', overrides).config.client).toMatchObject({ batchSize: 20, lr: 0.3 });
  });
});

describe('refused overrides name themselves', () => {
  it.each([
    ['client.lrr=1', 'client.lrr', 'did you mean "lr"?'],
    ['client.lr=fast', 'client.lr', 'above 0'],
    ['client.lr=', 'client.lr', 'path=value'],
    ['update.pipeline=[{', 'update.pipeline', 'path=value'],
    ['update.pipeline.3.clip.max-norm=1', 'update.pipeline.3.clip.max-norm', 'whole list'],
    ['client.local-steps=5', 'client.local-epochs', 'client.local-epochs=null'],
  ])('%s', (argument, path, hint) => {
    try {
      withArguments(argument);
      expect.unreachable();
    } catch (error) {
      if (!(error instanceof ConfigError)) throw error;
      const problem = error.problems.find((p) => p.path === path);
      expect(problem?.hint).toContain(hint);
      expect(error.message).toContain(`-c ${argument}`);
    }
  });
});
