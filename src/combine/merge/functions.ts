/** Every merge method as a function over models in memory. What they have in common, and their errors: `mergeModels`. */
import { InvalidArgumentError } from '../../errors.js';
import { mergeModels } from './in-memory.js';
import type {
  BaseOptions,
  BreadcrumbsOptions,
  CommonOptions,
  DellaOptions,
  InterpolationOptions,
  KarcherOptions,
  LinearOptions,
  ModelStockOptions,
  MultislerpOptions,
  NearswapOptions,
  NuslerpOptions,
  PassthroughOptions,
  RamOptions,
  RamPlusOptions,
  SceOptions,
  SparseOptions,
  TaskVectorOptions,
  TiesOptions,
} from './method-options.js';
import type { InMemoryModel } from './models.js';

/** Weighted average: sum w_i x_i, over sum w_i unless `normalize` is false. @see Wortsman et al. 2022 (arXiv 2203.05482). */
export const linear = <M extends InMemoryModel>(models: readonly M[], options: LinearOptions = {}): M =>
  mergeModels(models, { method: 'linear', ...options });

/** The plain mean of all models. @see Wortsman et al. 2022, "Model soups" (arXiv 2203.05482), uniform soup. */
export const uniformSoup = <M extends InMemoryModel>(models: readonly M[], options: CommonOptions = {}): M =>
  mergeModels(models, { method: 'uniform_soup', ...options });

/**
 * The straight line from `a` (t = 0) to `b` (t = 1): (1 - t) a + t b. With a pre-trained and a fine-tuned model it is WiSE-FT.
 *
 * @see Wortsman et al. 2022, "Robust fine-tuning of zero-shot models" (arXiv 2109.01903), section 3.
 */
export const interpolate = <M extends InMemoryModel>(
  a: M,
  b: M,
  { t, ...options }: InterpolationOptions,
): M => mergeModels([a, b], { method: 'linear', ...options, weight: [1 - t, t], normalize: false });

/**
 * One step of an exponential moving average over the checkpoints of a run: decay * average + (1 - decay) * model.
 *
 * @param options.decay - in [0, 1].
 * @throws {InvalidArgumentError} for a decay outside.
 */
export const ema = <M extends InMemoryModel>(
  average: M,
  model: M,
  { decay, ...options }: CommonOptions & { decay: number },
): M => {
  if (!(decay >= 0 && decay <= 1)) throw new InvalidArgumentError('ema', 'decay', 'from 0 to 1', decay);
  return interpolate(average, model, { ...options, t: 1 - decay });
};

/**
 * Spherical interpolation, tensor by tensor, from `a` (t = 0) to `b` (t = 1); a straight line where the two are nearly parallel.
 *
 * @see Shoemake 1985, "Animating rotation with quaternion curves".
 * @example
 * const [a, b] = await Promise.all([readModel('a'), readModel('b')]);
 * await writeModel('out', slerp(a, b, { t: 0.4 }));
 */
export const slerp = <M extends InMemoryModel>(a: M, b: M, options: InterpolationOptions): M =>
  mergeModels([b], { method: 'slerp', ...options, base: a });

/** Spherical interpolation of two models, or with a base of their task vectors, by relative weights; whole tensors, rows or columns. */
export const nuslerp = <M extends InMemoryModel>(models: readonly M[], options: NuslerpOptions = {}): M =>
  mergeModels(models, { method: 'nuslerp', ...options });

/** Spherical mean of any number of models in one step from the mean direction. @see Buss and Fillmore 2001, "Spherical averages". */
export const multislerp = <M extends InMemoryModel>(
  models: readonly M[],
  options: MultislerpOptions = {},
): M => mergeModels(models, { method: 'multislerp', ...options });

/** Riemannian (Karcher) mean of the directions times the mean of the norms. @see arXiv 2603.04972. */
export const karcher = <M extends InMemoryModel>(models: readonly M[], options: KarcherOptions = {}): M =>
  mergeModels(models, { method: 'karcher', ...options });

/** base + lambda * sum w_i (x_i - base). @see Ilharco et al. 2023 (arXiv 2212.04089). */
export const taskArithmetic = <M extends InMemoryModel>(
  models: readonly M[],
  options: TaskVectorOptions,
): M => mergeModels(models, { method: 'task_arithmetic', ...options });

/** Trims task vectors to their largest entries, elects signs, averages what agrees. @see Yadav et al. 2023 (arXiv 2306.01708), algorithm 1. */
export const ties = <M extends InMemoryModel>(models: readonly M[], options: TiesOptions): M =>
  mergeModels(models, { method: 'ties', ...options });

/** Drops entries of task vectors at random and rescales the rest. @see Yu et al. 2024, DARE (arXiv 2311.03099). */
export const dareLinear = <M extends InMemoryModel>(models: readonly M[], options: SparseOptions): M =>
  mergeModels(models, { method: 'dare_linear', ...options });

/** `dareLinear` with an election of signs. @see Yu et al. 2024, DARE (arXiv 2311.03099). */
export const dareTies = <M extends InMemoryModel>(models: readonly M[], options: SparseOptions): M =>
  mergeModels(models, { method: 'dare_ties', ...options });

/** Drops entries at random, small ones sooner, and elects signs. @see Deep et al. 2024, DELLA (arXiv 2406.11617). */
export const della = <M extends InMemoryModel>(models: readonly M[], options: DellaOptions): M =>
  mergeModels(models, { method: 'della', ...options });

/** `della` without an election of signs. @see Deep et al. 2024, DELLA (arXiv 2406.11617). */
export const dellaLinear = <M extends InMemoryModel>(models: readonly M[], options: DellaOptions): M =>
  mergeModels(models, { method: 'della_linear', ...options });

/** Drops the largest and the smallest entries of task vectors. @see Davari and Belilovsky 2024 (arXiv 2312.06795). */
export const breadcrumbs = <M extends InMemoryModel>(models: readonly M[], options: BreadcrumbsOptions): M =>
  mergeModels(models, { method: 'breadcrumbs', ...options });

/** `breadcrumbs` with an election of signs. @see Davari and Belilovsky 2024 (arXiv 2312.06795). */
export const breadcrumbsTies = <M extends InMemoryModel>(
  models: readonly M[],
  options: BreadcrumbsOptions,
): M => mergeModels(models, { method: 'breadcrumbs_ties', ...options });

/** Selects positions of largest variance, weights models by their energy there, erases minority signs. @see FuseChat (arXiv 2408.07990), section 3.3. */
export const sce = <M extends InMemoryModel>(models: readonly M[], options: SceOptions): M =>
  mergeModels(models, { method: 'sce', ...options });

/** Entries that one model alone changed are added whole, those that several changed are averaged. @see RAM (arXiv 2601.13572). */
export const ram = <M extends InMemoryModel>(models: readonly M[], options: RamOptions): M =>
  mergeModels(models, { method: 'ram', ...options });

/** `ram` with a model's own entries boosted, counted by tensor. @see RAM+ (arXiv 2601.13572). */
export const ramplusTl = <M extends InMemoryModel>(models: readonly M[], options: RamPlusOptions): M =>
  mergeModels(models, { method: 'ramplus_tl', ...options });

/** t mean(x_i) + (1 - t) base, with t from the mean angle of the task vectors. @see Jang et al. 2024, "Model Stock" (arXiv 2403.19522), eq. 4. */
export const modelStock = <M extends InMemoryModel>(models: readonly M[], options: ModelStockOptions): M =>
  mergeModels(models, { method: 'model_stock', ...options });

/** Takes over what is near the base and little of what is far: r = base + min(1, t / |d|) d, entry by entry. */
export const nearswap = <M extends InMemoryModel>(model: M, options: NearswapOptions): M =>
  mergeModels([model], { method: 'nearswap', ...options });

/** Takes over the entries that matter most by difference times divergence of their row, and keeps the base elsewhere. */
export const arceeFusion = <M extends InMemoryModel>(model: M, options: BaseOptions): M =>
  mergeModels([model], { method: 'arcee_fusion', ...options });

/** A copy of a model, times `scale`. */
export const passthrough = <M extends InMemoryModel>(model: M, options: PassthroughOptions = {}): M =>
  mergeModels([model], { method: 'passthrough', ...options });
