import { describe, expect, it } from 'vitest';
import { MergeError } from '../../../src/merge/errors.js';
import type { PlanOptions } from '../../../src/merge/planner/planner.js';
import type { CompanionFile, ModelFacts } from '../../../src/merge/planner/sources.js';
import { chatTemplate } from '../../../src/merge/tokenizer/chat-template.js';
import { mapRows } from '../../../src/merge/tokenizer/rows.js';
import { mergeVocabularies, readTokenizerFacts } from '../../../src/merge/tokenizer/vocabulary.js';
import { planText } from './golden.js';

const vocabulary = (tokens: string[], added: string[] = [], size = tokens.length) => ({
  tokens: new Map(tokens.map((token, id) => [token, id])),
  added,
  size,
});

describe('vocabularies of merges', () => {
  it('keep the base, append what others have by model and id, specials behind, asked-for tokens last', () => {
    const base = vocabulary(['a', 'b', '<s>', 'beyond'], ['<s>'], 3);
    const merged = mergeVocabularies(
      base,
      [vocabulary(['b', '<x>', 'd', 'c'], ['<x>']), vocabulary(['e', 'd'])],
      ['<new>', 'a'],
    );
    expect([...merged.tokens.keys()]).toEqual(['a', 'b', '<s>', 'd', 'c', 'e', '<x>', '<new>']);
    expect(merged.appended.map(({ token, added }) => [token, added])).toEqual([
      ['d', false],
      ['c', false],
      ['e', false],
      ['<x>', true],
      ['<new>', true],
    ]);
    expect(merged.size).toBe(8);
  });

  it('may have hundreds of thousands of tokens', () => {
    const many = (shift: number) => vocabulary(Array.from({ length: 250_000 }, (_, i) => `t${i + shift}`));
    const merged = mergeVocabularies(many(0), [many(10)]);
    expect(merged.size).toBe(250_010);
    expect(merged.appended[9]).toEqual({ token: 't250009', id: 250_009, added: false });
  });

  it('are read from tokenizer.json, vocab.json and vocab.txt', () => {
    const read = (files: Record<string, unknown>) => {
      const texts = Object.entries(files).map(([name, value]): [string, string] => [
        name,
        typeof value === 'string' ? value : JSON.stringify(value),
      ]);
      const facts = readTokenizerFacts('m', new Map(texts));
      return facts && { tokens: Object.fromEntries(facts.tokens), added: facts.added };
    };
    const added = [{ id: 2, content: '<s>', special: true }];
    const want = { tokens: { a: 0, b: 1, '<s>': 2 }, added: ['<s>'] };
    expect(read({ 'tokenizer.json': { model: { vocab: { a: 0, b: 1 } }, added_tokens: added } })).toEqual(
      want,
    );
    const unigram = [
      ['a', -1.5],
      ['b', -2],
    ];
    expect(read({ 'tokenizer.json': { model: { vocab: unigram }, added_tokens: added } })).toEqual(want);
    expect(read({ 'vocab.json': { a: 0, b: 1 }, 'added_tokens.json': { '<s>': 2 } })).toEqual(want);
    expect(read({ 'vocab.txt': 'a\nb\n' })).toEqual({ tokens: { a: 0, b: 1 }, added: [] });
    expect(read({})).toBeUndefined();
    expect(() => read({ 'tokenizer.json': '{' })).toThrow(/tokenizer\.json is not JSON/);
    expect(() => read({ 'vocab.json': { a: 'x' } })).toThrow(MergeError);
  });
});

describe('rows of embeddings', () => {
  const owner = (model: number, tokens: string[], rows = tokens.length) => ({
    model,
    name: 'e',
    rows,
    tokens: new Map(tokens.map((token, id) => [token, id])),
  });
  const map = (owners: ReturnType<typeof owner>[], base: number, tokens: string[], rules = new Map()) =>
    mapRows({ ...vocabulary(tokens), appended: [] }, owners, base, tokens.length, rules).map((mapping) => {
      if (mapping.kind !== 'permute') throw new Error('a permutation is expected');
      return { from: [...mapping.from], fill: mapping.fill };
    });

  it('of a token that one model lacks are those of the only one that has it', () => {
    const [a, b] = map([owner(0, ['x', 'y']), owner(1, ['y'])], 0, ['x', 'y']);
    expect(a).toEqual({ from: [0, 1], fill: [] });
    expect(b).toEqual({ from: [-1, 0], fill: [{ row: 0, from: [{ model: 0, name: 'e', row: 0 }] }] });
  });

  it("are the base's where several have it, and their mean where the base lacks it", () => {
    const three = [owner(0, ['x']), owner(1, ['x']), owner(2, ['y'])];
    expect(map(three, 1, ['x'])[2].fill).toEqual([{ row: 0, from: [{ model: 1, name: 'e', row: 0 }] }]);
    expect(map(three, 2, ['x'])[2].fill[0].from.map(({ model }) => model)).toEqual([0, 1]);
  });

  it("are zero for a token that no model has, and for one beyond a model's rows", () => {
    expect(map([owner(0, ['x'])], 0, ['x', 'new'])[0].fill).toEqual([{ row: 1, from: [] }]);
    expect(map([owner(0, ['x', 'y'], 1)], 0, ['x', 'y'])[0].fill).toEqual([{ row: 1, from: [] }]);
  });

  it('follow overrides where a model lacks the token, and everywhere with force', () => {
    const owners = [owner(0, ['x']), owner(1, ['y'])];
    const override = { kind: 'row', model: 7, name: 'e', row: 3 };
    const soft = map(owners, 0, ['x'], new Map([['x', { override, force: false }]]));
    expect(soft[0].from).toEqual([0]);
    expect(soft[1].fill[0].from).toEqual([{ model: 7, name: 'e', row: 3 }]);
    const forced = map(owners, 0, ['x'], new Map([['x', { override: { kind: 'zero' }, force: true }]]));
    expect(forced.map(({ fill }) => fill[0].from)).toEqual([[], []]);
  });
});

describe('tokenizer files', () => {
  const files = (tokens: string[], template?: string): CompanionFile[] => [
    {
      name: 'tokenizer.json',
      path: '/m/tokenizer.json',
      content: JSON.stringify({
        model: { vocab: Object.fromEntries(tokens.map((token, id) => [token, id])) },
      }),
    },
    {
      name: 'tokenizer_config.json',
      path: '/m/tokenizer_config.json',
      content: JSON.stringify({ model_max_length: 9, ...(template && { chat_template: template }) }),
    },
    { name: 'generation_config.json', path: '/m/generation_config.json' },
  ];
  const model = (path: string): ModelFacts => {
    const tokens = path === 'a' ? ['x', 'y'] : ['y', 'z'];
    return {
      path,
      config: { architectures: ['Own'], vocab_size: 2, torch_dtype: 'float32' },
      tensors: new Map([['embed_tokens.weight', { dtype: 'F32', shape: [2, 4] }]]),
      tokenizer: { tokens: new Map(tokens.map((token, id) => [token, id])), added: [] },
      companions: files(tokens, path === 'a' ? undefined : 'of b'),
    };
  };
  const plan = (more: string, options: Partial<PlanOptions> = {}, of = model) =>
    planText(
      `merge_method: linear\nmodels: [{model: a}, {model: b}]\nparameters: {weight: 1}\n${more}`,
      of,
      options,
    );

  it('are copied from the base or the first model as they are', () => {
    expect(plan('').files).toEqual([
      { name: 'tokenizer_config.json', from: '/m/tokenizer_config.json' },
      { name: 'tokenizer.json', from: '/m/tokenizer.json' },
      { name: 'generation_config.json', from: '/m/generation_config.json' },
    ]);
    expect(plan('', { copyTokenizer: false }).files).toEqual([]);
  });

  it('hold the tokens that a union appends, and config.json their number', () => {
    const { files: written, config, outputs } = plan('tokenizer: {source: union, pad_to_multiple_of: 4}\n');
    const content = written.find(({ name }) => name === 'tokenizer.json')?.content;
    expect(JSON.parse(String(content)).model.vocab).toEqual({ x: 0, y: 1, z: 2 });
    expect(config?.vocab_size).toBe(4);
    expect(outputs[0].shape).toEqual([4, 4]);
    expect(outputs[0].inputs.map(({ rows }) => rows?.kind === 'permute' && rows.meanFrom)).toEqual([3, 3]);
  });

  it('hold the chat template asked for', () => {
    const templateOf = (more: string) => {
      const content = plan(more).files.find(({ name }) => name === 'tokenizer_config.json')?.content;
      return content === undefined ? undefined : JSON.parse(String(content));
    };
    expect(templateOf('chat_template: chatml\n').chat_template).toContain('<|im_start|>');
    expect(templateOf('chat_template: auto\n')).toEqual({ model_max_length: 9, chat_template: 'of b' });
    expect(() => plan('chat_template: chatlm\n')).toThrow(/did you mean "chatml"/);
    const bare = (path: string) => ({ ...model(path), companions: [] });
    expect(() => plan('chat_template: chatml\n', {}, bare)).toThrow(/no tokenizer_config\.json/);
  });

  it('are needed for a tokenizer setting', () => {
    const bare = (path: string) => (path === 'b' ? { ...model(path), tokenizer: undefined } : model(path));
    expect(() => plan('tokenizer_source: union\n', {}, bare)).toThrow(
      expect.objectContaining({ className: 'bad_tokenizer', model: 'b' }),
    );
    const { warnings } = plan('tokenizer_source: union\n', { allowMissingTokenizer: true }, bare);
    expect(warnings.join()).toMatch(/b has no tokenizer; that of a/);
  });

  it('name a token that is not there', () => {
    const tokens =
      'tokenizer: {source: base, tokens: {y: {source: {kind: model_token, model: b, token: q}}}}\n';
    expect(() => plan(tokens)).toThrow(/b has no token "q"/);
  });
});

describe('chat templates', () => {
  it('are literal texts, names, or the most common of the inputs', () => {
    const literal = '{{ messages[0].content }}';
    expect(chatTemplate(literal, [])).toBe(literal);
    expect(chatTemplate('auto', ['x', 'y', 'y'])).toBe('y');
    expect(chatTemplate('auto', ['x', 'y'])).toBe('x');
    expect(chatTemplate('auto', [])).toBeUndefined();
    expect(() => chatTemplate('{short}', [])).toThrow(MergeError);
  });
});
