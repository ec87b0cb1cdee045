/** Random recipes from the grammar of mergekit's YAML, most of them nearly right; shares no code with the package. */
import fc from 'fast-check';

/** What a recipe may name: folders of `fuzz.test.ts`, and things that are not there or not allowed. */
const RAW = ['base', 'a', 'b', 'c'];
const ODD = [
  'wide',
  'lacks',
  'ints',
  'half',
  'llama',
  'llama2',
  'absent',
  'a+b',
  'a@main',
  'a@x@y',
  'a+b+c',
  '',
  'nul\u0000',
  'long'.repeat(2000),
];
const LLAMA = ['llama', 'llama2'];
/** Section 2.7 of the specification: parameters for each model, then those for all, and how many models besides the base, if there is one. */
const METHODS: Readonly<
  Record<string, readonly [model: string, global: string, base: boolean, models: number]>
> = {
  linear: ['weight', 'normalize', false, 3],
  uniform_soup: ['', '', false, 3],
  slerp: ['', 't', true, 1],
  nuslerp: ['weight', 'nuslerp_flatten nuslerp_row_wise', false, 2],
  multislerp: ['weight', 'normalize_weights eps', false, 3],
  karcher: ['', 'max_iter tol', false, 3],
  task_arithmetic: ['weight density', 'normalize lambda rescale int8_mask', true, 3],
  ties: ['weight density', 'normalize lambda rescale min_keep trim_scope', true, 3],
  dare_linear: ['weight density', 'normalize lambda rescale', true, 3],
  dare_ties: ['weight density', 'normalize lambda rescale int8_mask', true, 2],
  della: ['weight density epsilon', 'normalize lambda rescale', true, 2],
  della_linear: ['weight density epsilon', 'normalize lambda rescale', true, 2],
  breadcrumbs: ['weight density gamma', 'normalize lambda rescale', true, 2],
  breadcrumbs_ties: ['weight density gamma', 'normalize lambda', true, 2],
  sce: ['', 'select_topk int8_mask', true, 3],
  ram: ['', 'epsilon', true, 2],
  ramplus_tl: ['', 'r alpha epsilon', true, 2],
  model_stock: ['', 'filter_wise', true, 3],
  nearswap: ['', 't', true, 1],
  arcee_fusion: ['', '', true, 1],
  passthrough: ['scale', '', false, 1],
};
const NAMES = [
  ...new Set(Object.values(METHODS).flatMap(([model, global]) => `${model} ${global}`.split(' '))),
].filter((name) => name !== '');

type Json = null | boolean | number | string | Json[] | { [key: string]: Json };

const rarely = <T>(usual: fc.Arbitrary<T>, odd: fc.Arbitrary<T>, share = 20): fc.Arbitrary<T> =>
  fc.oneof({ weight: share, arbitrary: usual }, { weight: 1, arbitrary: odd });

const number: fc.Arbitrary<Json> = fc.constantFrom(0, 1, 0.5, 0.3, 0.9, 1, 0.25);
const oddNumber: fc.Arbitrary<Json> = fc.constantFrom<Json>(
  ...[-1, 2, 1e-9, 1e9, 1e300, -0.0001, 1.5, true, false, '0.5', '1e-2', 'abc', '', null, '.nan', '.inf'],
);
const scalar = rarely(number, oddNumber);
const gradient: fc.Arbitrary<Json> = fc.array(scalar, { maxLength: 4 });
const conditional: fc.Arbitrary<Json> = fc.record(
  {
    filter: fc.constantFrom<Json>('w', 'norm', 'self_attn', 'mlp', '*', 'zzz', '', 3),
    value: fc.oneof(scalar, gradient),
  },
  { requiredKeys: ['value'] },
);
const value: fc.Arbitrary<Json> = fc.oneof(
  { weight: 14, arbitrary: scalar },
  { weight: 2, arbitrary: gradient },
  { weight: 2, arbitrary: fc.array(conditional, { maxLength: 3 }) },
  { weight: 1, arbitrary: conditional },
  { weight: 1, arbitrary: fc.tuple(scalar, conditional).map((pair): Json => pair) },
);

/** Of parameters that are words. */
const CHOICES: Readonly<Record<string, fc.Arbitrary<Json>>> = {
  trim_scope: fc.constantFrom<Json>('model', 'model', 'tensor'),
};

const words = (text: string): string[] => text.split(' ').filter((word) => word !== '');

/** Each of the method's parameters or not; a weight and t nearly always, since they are asked for. */
function parametersOf(names: readonly string[]): fc.Arbitrary<Json> {
  const each = names.map((name) =>
    fc
      .tuple(fc.nat({ max: 20 }), rarely(CHOICES[name] ?? number, value, CHOICES[name] ? 12 : 4))
      .map(([dice, v]) => (dice < (/^(weight|t)$/.test(name) ? 20 : 8) ? [[name, v] as const] : [])),
  );
  const stray = rarely<readonly (readonly [string, Json])[]>(
    fc.constant([]),
    fc.tuple(fc.constantFrom(...NAMES, 'wieght', '__proto__'), value).map((pair) => [pair]),
    25,
  );
  return fc.tuple(stray, ...each).map((entries): Json => Object.fromEntries(entries.flat()));
}

const reference: fc.Arbitrary<Json> = rarely<Json>(
  fc.constantFrom(...RAW),
  fc.oneof(
    fc.constantFrom<Json>(...ODD),
    fc.constantFrom<Json>(
      { model: { path: 'a' } },
      { model: { path: 'a', revision: 'x' }, lora: 'b' },
      7,
      null,
      [],
    ),
  ),
);
const entryOf = (parameters: fc.Arbitrary<Json>): fc.Arbitrary<Json> =>
  rarely<Json>(
    fc.record({ model: reference, parameters }),
    fc.constantFrom<Json>(
      {},
      null,
      'a',
      { modle: 'a' },
      { model: 'a' },
      { model: 'a', parameters: 3 },
      { model: 'a', weight: 1 },
    ),
    40,
  );
const modelsOf = (parameters: fc.Arbitrary<Json>, count: number): fc.Arbitrary<Json> =>
  rarely<Json>(
    fc.array(entryOf(parameters), { minLength: count, maxLength: count }),
    fc.array(entryOf(parameters), { maxLength: 4 }),
    8,
  );

const range: fc.Arbitrary<Json> = rarely<Json>(
  fc.constantFrom<Json>([0, 1], [1, 2], [0, 2], [1, 3], [0, 3]),
  fc.constantFrom<Json>([1, 1], [2, 1], [-1, 2], [0, 99], [0], [0, 1, 2], [0.5, 1], 'all', ['a', 'b']),
  10,
);
const sliceOf = (
  perModel: fc.Arbitrary<Json>,
  global: fc.Arbitrary<Json>,
  count: number,
): fc.Arbitrary<Json> =>
  fc
    .tuple(
      rarely(range, fc.constant(undefined)),
      fc.array(
        fc.record({
          model: rarely<Json>(fc.constantFrom(...LLAMA), reference),
          layer_range: range,
          parameters: perModel,
        }),
        { minLength: Math.max(0, count - 1), maxLength: count + 1 },
      ),
      fc.record(
        {
          parameters: global,
          base_model: fc.constantFrom<Json>(...LLAMA, 'base'),
          residual_weight: fc.constantFrom<Json>(1),
        },
        { requiredKeys: [] },
      ),
      fc.nat({ max: 5 }),
    )
    .map(
      ([shared, sources, more, dice]): Json => ({
        // Of one length mostly.
        sources: sources.map((each) =>
          shared === undefined ? each : { ...(each as object), layer_range: shared },
        ) as Json,
        ...(dice === 0 ? more : {}),
      }),
    );

function contentOf(method: string): fc.Arbitrary<{ [key: string]: Json }> {
  const [model, global, base, count] = METHODS[method] ?? METHODS.linear;
  const models = modelsOf(parametersOf(words(model)), count);
  const slices = fc.array(
    sliceOf(parametersOf(words(model)), parametersOf(words(global)), count + (base ? 1 : 0)),
    {
      minLength: 1,
      maxLength: 3,
    },
  );
  const module = fc.oneof(
    fc.record({ models }),
    fc.record({ slices }),
    fc.constantFrom<Json>({}, null, { models: [], slices: [] }),
  );
  return fc.oneof(
    { weight: 14, arbitrary: fc.record({ models }) },
    { weight: 6, arbitrary: fc.record({ slices }) },
    {
      weight: 1,
      arbitrary: fc.record({ modules: fc.dictionary(fc.constantFrom('default', 'h', 'x'), module) }),
    },
    { weight: 1, arbitrary: fc.record({ models, slices }) },
    { weight: 1, arbitrary: fc.constant({}) },
  );
}
const tokens: fc.Arbitrary<Json> = fc.constantFrom<Json>(
  { '<a>': { source: 'a' } },
  { '<a>': { source: { kind: 'zero' }, force: true } },
  { '<a>': { source: { kind: 'model_token', model: 'a', token: 'x', token_id: 3 } } },
  [],
);
const extras = fc.record(
  {
    dtype: fc.constantFrom<Json>('float32', 'bfloat16', 'float16', 'torch.float32', 'int8', 7),
    out_dtype: fc.constantFrom<Json>('float32', 'bfloat16', 'float16', 'int64', 'float99'),
    tokenizer_source: fc.constantFrom<Json>('union', 'base', 'a', 'absent'),
    tokenizer: fc.record(
      { source: fc.constantFrom<Json>('union', 'base', 'a', 3), tokens, pad_to_multiple_of: scalar },
      { requiredKeys: [] },
    ),
    chat_template: fc.constantFrom<Json>('auto', 'chatml', 'short', '{{ messages }} and some more text', 3),
    name: fc.constantFrom<Json>('first', 'second', 3),
    merge_method: fc.constantFrom<Json>('tais', 3, null, 'LINEAR', ''),
    paramters: fc.constantFrom<Json>({ lambda: 1 }),
  },
  { requiredKeys: [] },
);

const document: fc.Arbitrary<Json> = fc.constantFrom(...Object.keys(METHODS)).chain((method) => {
  const [, global, base] = METHODS[method];
  const baseModel = base
    ? rarely<Json | undefined>(
        fc.constantFrom<Json>('base', 'base', 'llama'),
        fc.option(reference, { nil: undefined }),
        8,
      )
    : rarely<Json | undefined>(fc.constant(undefined), reference, 8);
  return fc
    .tuple(contentOf(method), baseModel, parametersOf(words(global)), extras, fc.nat({ max: 7 }))
    .map(([content, base_model, parameters, more, dice]): Json => {
      const known = { merge_method: method, base_model, parameters, ...(dice === 0 ? more : {}), ...content };
      return JSON.parse(JSON.stringify(known)) as Json;
    });
});

/** JSON is YAML; some are written so that YAML reads its own kinds of values, some are damaged. */
export const recipeText: fc.Arbitrary<string> = fc
  .tuple(
    rarely(fc.tuple(document), fc.tuple(document, document) as unknown as fc.Arbitrary<[Json]>),
    fc.nat({ max: 40 }),
    fc.nat(),
    fc.constantFrom(
      '{',
      '}',
      ':',
      '&x ',
      '*x ',
      '!!js/function ',
      '\t',
      '\u0000',
      '<<: ',
      '- ',
      '"',
      '---\n',
      '%',
    ),
  )
  .map(([documents, dice, at, noise]) => {
    const text = documents
      .map((each) => JSON.stringify(each, null, 1).replace(/"(\.nan|\.inf)"/g, '$1'))
      .join('\n---\n');
    const cut = at % text.length;
    return dice === 0 ? `${text.slice(0, cut)}${noise}${text.slice(cut)}` : `${text}\n`;
  });
