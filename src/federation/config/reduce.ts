import * as z from 'zod';

const share = z.number().gt(0).max(1);
const least = z.number().min(0);

const density = (value: number) =>
  share.default(value).describe('share of each tensor of an update that is kept, in (0, 1]');
const lambda = z.number().default(1).describe('scale of the result');
const normalize = z
  .boolean()
  .default(true)
  .describe('divide by the sum of the weights; false: updates add up, with weights of mean 1');
const examples = z
  .int()
  .min(1)
  .optional()
  .describe('examples of a client that are measured, its first, 1 or more; absent: all of them');

const sparse = { density: density(0.5), lambda, normalize };
const della = {
  ...sparse,
  epsilon: least
    .lt(0.5)
    .default(0.15)
    .describe('keep probabilities run from density - epsilon to density + epsilon, by magnitude'),
};
const breadcrumbs = {
  density: density(0.9),
  gamma: least.lt(1).default(0.01).describe('share of the largest entries that is dropped, in [0, 1)'),
  lambda,
  normalize,
};
const unchanged = least.default(1e-5).describe('magnitudes up to it count as unchanged');

const type = <N extends string>(name: N, meaning: string) => z.literal(name).describe(meaning);

/** Reductions without parameters, written as a name alone. */
const plain = [
  z.strictObject({ type: type('weighted-mean', 'mean over the clients that reported, by weight') }),
  z.strictObject({ type: type('fixed-denominator', 'sum over the expected cohort; the one for noise') }),
  z.strictObject({
    type: type('mean-of-holders', 'each weight over the clients that held it (sub-models)'),
  }),
] as const;

/** Merge rules over whole updates, tensor by tensor. */
const merging = [
  z.strictObject({
    type: type('model-stock', 'mean update times a ratio from the angle between updates (Jang et al. 2024)'),
    filterWise: z.boolean().default(false).describe('one ratio for each row of a tensor'),
    anchor: z
      .enum(['previous', 'initial'])
      .default('previous')
      .describe(
        'model that clients are placed around: previous global model, or that before the first round',
      ),
  }),
  z.strictObject({
    type: type('task-arithmetic', 'lambda times the mean update, or the sum (Ilharco et al. 2023)'),
    lambda,
    normalize,
  }),
  z.strictObject({
    type: type('ties', 'trim, elect signs, mean of what agrees (Yadav et al. 2023)'),
    density: density(0.2),
    lambda,
  }),
  z.strictObject({ type: type('dare-linear', 'random drop and rescale (Yu et al. 2024)'), ...sparse }),
  z.strictObject({ type: type('dare-ties', 'random drop and rescale, then elected signs'), ...sparse }),
  z.strictObject({
    type: type('della', 'drop by magnitude, then elected signs (Deep et al. 2024)'),
    ...della,
  }),
  z.strictObject({ type: type('della-linear', 'drop by magnitude'), ...della }),
  z.strictObject({
    type: type('breadcrumbs', 'without the largest and smallest entries (Davari and Belilovsky 2024)'),
    ...breadcrumbs,
  }),
  z.strictObject({
    type: type('breadcrumbs-ties', 'without the largest and smallest entries, then elected signs'),
    ...breadcrumbs,
  }),
  z.strictObject({
    type: type('sce', 'positions of large variance, clients by their energy there (Wan et al. 2024)'),
    selectTopk: share.default(1).describe('share of the positions with any variance that is kept, in (0, 1]'),
  }),
  z.strictObject({
    type: type('ram', 'entries of one client whole, of several averaged among them (arXiv 2601.13572)'),
    epsilon: unchanged,
  }),
  z.strictObject({
    type: type('ramplus-tl', "ram with a client's own entries scaled up"),
    r: least.default(0.1).describe('strength of the scaling, 0 or more'),
    alpha: least.default(0.2).describe('most of the ratio of shared to own entries that counts, 0 or more'),
    epsilon: unchanged,
  }),
  z.strictObject({
    type: type('multislerp', 'weighted mean of updates on the sphere'),
    eps: z.number().positive().default(1e-8).describe('guards divisions, above 0'),
  }),
  z.strictObject({
    type: type('karcher', 'Karcher mean of the models of the clients (arXiv 2603.04972)'),
    maxIter: z.int().min(0).max(10_000).default(10).describe('steps at most'),
    tol: least.default(1e-5).describe('step length that ends the iteration'),
  }),
] as const;

/** Rules that weigh clients by what they measure on their own data and send beside the update. */
const measuring = [
  z.strictObject({
    type: type('fisher', 'mean by diagonal Fisher information (Matena and Raffel 2022)'),
    fisherFloor: least.default(1e-6).describe('least Fisher information of a weight, 0 or more'),
    normalizeFishers: z
      .boolean()
      .default(false)
      .describe("divide each client's Fisher by its L2 norm over the model"),
    labels: z
      .enum(['data', 'model'])
      .default('data')
      .describe('labels of the data (empirical Fisher), or in expectation those that the model would draw'),
    examples,
  }),
  z.strictObject({
    type: type('regmean', 'least squares over the inputs of dense layers (Jin et al. 2023)'),
    alpha: least
      .max(1)
      .default(0.9)
      .describe('factor of the off-diagonal elements of Gram matrices, in [0, 1]'),
    examples,
  }),
] as const;

const custom = z.strictObject({
  type: type('custom', 'a reducer object passed in TypeScript'),
  name: z.string().optional().describe('name of the reducer object'),
});

const byType = z.discriminatedUnion('type', [...plain, ...merging, ...measuring, custom]);
type ReduceMap = z.output<typeof byType>;

/** Names of `update.reduce`. */
export const reduceNames = byType.def.options.map(({ shape }) => shape.type.value) as [
  ReduceMap['type'],
  ...ReduceMap['type'][],
];

type PlainName = z.output<(typeof plain)[number]>['type'];

/** A reduction without parameters by its name, one with parameters as a map with all of them. */
export type ReduceConfig = PlainName | Exclude<ReduceMap, { type: PlainName }>;
export type MergingConfig = z.output<(typeof merging)[number]>;

export const isPlainReduce = (reduce: ReduceConfig): reduce is PlainName => typeof reduce === 'string';

/** What `update.reduce` is called, whether it has parameters or not. */
export const reduceName = (reduce: ReduceConfig): ReduceMap['type'] =>
  isPlainReduce(reduce) ? reduce : reduce.type;

const isPlainName = (name: ReduceMap['type']): name is PlainName =>
  plain.some(({ shape }) => shape.type.value === name);

export const reduceSchema = z
  .union([z.enum(reduceNames), byType])
  .transform((given): ReduceConfig => {
    const map = typeof given === 'string' ? byType.parse({ type: given }) : given;
    return isPlainName(map.type) ? map.type : (map as Exclude<ReduceMap, { type: PlainName }>);
  })
  .prefault('weighted-mean');
