/** Options of merge methods over models in memory: recipe parameters in camel case. Formulas and papers: the files of the methods. */
import type { Kernels } from '../../kernels/kernels.js';
import type { InMemoryModel } from './models.js';

/** One number for all models, or one a model. */
export type PerModel = number | readonly number[];

export interface CommonOptions {
  /** Addresses the random numbers of randomised methods, with the tensor's name and the model's index. Default: 0. */
  seed?: number | string | bigint;
  /** Reproduces the reference tool's quirks, and lets values that are not finite pass. Default: false. */
  strict?: boolean;
  /** Called for each tensor of methods that have something to tell: interpolation ratio, cosine. */
  onTensor?: (tensor: string, statistics: Readonly<Record<string, number>>) => void;
  /** Default: the kernels of `init()`, else native where it is built. */
  kernels?: Kernels;
}

export interface LinearOptions extends CommonOptions {
  /** Default: 1, equal weights. Example counts make it federated averaging. */
  weight?: PerModel;
  /** Divide by the sum of the weights. Default: true. */
  normalize?: boolean;
}

export interface InterpolationOptions extends CommonOptions {
  /** 0: the first model; 1: the second; beyond: extrapolated. */
  t: number;
}

export interface NuslerpOptions extends CommonOptions {
  /** Two numbers; t is the second over their sum. Default: equal. */
  weight?: PerModel;
  /** Interpolates task vectors instead of weights. */
  base?: InMemoryModel;
  /** A whole tensor is one vector. Default: true. */
  nuslerpFlatten?: boolean;
  /** Without flattening: false for rows along the last axis, true for columns along the first. Default: false. */
  nuslerpRowWise?: boolean;
}

export interface MultislerpOptions extends CommonOptions {
  /** Default: 1. */
  weight?: PerModel;
  /** Combines task vectors instead of weights. */
  base?: InMemoryModel;
  /** Default: true. */
  normalizeWeights?: boolean;
  /** Guards divisions. Default: 1e-8. */
  eps?: number;
}

export interface KarcherOptions extends CommonOptions {
  /** Steps at most. Default: 10. */
  maxIter?: number;
  /** Step length that ends the iteration, and norm up to which a tensor has no direction. Default: 1e-5. */
  tol?: number;
}

export interface BaseOptions extends CommonOptions {
  /** The common ancestor of the models. */
  base: InMemoryModel;
}

/** d_i = x_i - base; r = base + lambda * (sum of weighted, thinned d_i, normalised or not). */
export interface TaskVectorOptions extends BaseOptions {
  /** Default: 1. Negative: the model's task is forgotten. */
  weight?: PerModel;
  /** Divide by the sum of the weights (where signs are elected: of those that agree). Default: true for `ties` and `della`, else false. */
  normalize?: boolean;
  /** Scale of what is added to the base. Default: 1. */
  lambda?: number;
}

export interface SparseOptions extends TaskVectorOptions {
  /** Share of each tensor's entries that is kept, in [0, 1]. Default: 1, all. */
  density?: PerModel;
  /** Scale what is kept to the L1 norm of the whole. Default: true for `dare` and `della`, else false. */
  rescale?: boolean;
}

export interface TiesOptions extends SparseOptions {
  /** Entries of a tensor that are kept at least. Default: 0; where none would be kept it is an error. */
  minKeep?: number;
  /** What `density` and `minKeep` count: each tensor by itself, or as the paper has it a model as a whole. Default: 'tensor'. */
  trimScope?: 'tensor' | 'model';
}

export interface DellaOptions extends SparseOptions {
  /** Keep probabilities run from density - epsilon to density + epsilon by rank. Default: 0.15. */
  epsilon?: PerModel;
}

export interface BreadcrumbsOptions extends SparseOptions {
  /** Share of the largest entries that is dropped as outliers. Default: 0.01. */
  gamma?: PerModel;
}

export interface SceOptions extends BaseOptions {
  /** Share of positions, those of largest variance, that is kept. Default: 1. */
  selectTopk?: number;
}

export interface RamOptions extends BaseOptions {
  /** Differences up to it do not count as changes. Default: 1e-5. */
  epsilon?: number;
}

export interface RamPlusOptions extends RamOptions {
  /** Strength of the boost of a model's own entries. Default: 0.1. */
  r?: number;
  /** Bound of the ratio of shared to own entries. Default: 0.2. */
  alpha?: number;
}

export interface ModelStockOptions extends BaseOptions {
  /** A ratio for each row along the last axis instead of one a tensor. Default: false. */
  filterWise?: boolean;
}

export interface NearswapOptions extends BaseOptions {
  /** Above 0: differences up to it are taken over whole, larger ones by t over the difference. */
  t: number;
}

export interface PassthroughOptions extends CommonOptions {
  /** Default: 1. */
  scale?: number;
}

/** Options by the name that a method has in recipes. */
export interface MethodOptions {
  linear: LinearOptions;
  uniform_soup: CommonOptions;
  slerp: InterpolationOptions & BaseOptions;
  nuslerp: NuslerpOptions;
  multislerp: MultislerpOptions;
  karcher: KarcherOptions;
  task_arithmetic: TaskVectorOptions;
  ties: TiesOptions;
  dare_linear: SparseOptions;
  dare_ties: SparseOptions;
  della: DellaOptions;
  della_linear: DellaOptions;
  breadcrumbs: BreadcrumbsOptions;
  breadcrumbs_ties: BreadcrumbsOptions;
  sce: SceOptions;
  ram: RamOptions;
  ramplus_tl: RamPlusOptions;
  model_stock: ModelStockOptions;
  nearswap: NearswapOptions;
  arcee_fusion: BaseOptions;
  passthrough: PassthroughOptions;
}

export type MergeMethodName = keyof MethodOptions;
