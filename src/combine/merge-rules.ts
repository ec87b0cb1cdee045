/** Which merge methods reduce a cohort's updates, and with which parameters. */
import { breadcrumbs, breadcrumbsTies } from './merge/breadcrumbs.js';
import { dareLinear, dareTies } from './merge/dare.js';
import { della, dellaLinear } from './merge/della.js';
import { karcher } from './merge/karcher.js';
import type { MergeMethod } from './merge/method.js';
import { modelStock } from './merge/model-stock.js';
import { multislerp } from './merge/multislerp.js';
import { ram, ramPlus } from './merge/ram.js';
import { sce } from './merge/sce.js';
import { taskArithmetic } from './merge/task-arithmetic.js';
import { ties } from './merge/ties.js';

interface LinearOptions {
  /** Scale of the result. Default: 1. */
  lambda?: number;
  /** Divide by the sum of the weights; else weights are scaled to a mean of 1, and the updates add up. Default: true. */
  normalize?: boolean;
}

interface SparseOptions extends LinearOptions {
  /** Share of each tensor of an update that is kept, in (0, 1]. Default: 0.5; 0.2 for ties, 0.9 for breadcrumbs. */
  density?: number;
}

interface DellaOptions extends SparseOptions {
  /** Half the range of the keep probabilities around `density`, both ends in (0, 1). Default: 0.15. */
  epsilon?: number;
}

interface BreadcrumbsOptions extends SparseOptions {
  /** Share of the largest entries of a tensor that is dropped, in [0, 1). Default: 0.01. */
  gamma?: number;
}

/** Parameters of each rule; the names of recipes in camel case. */
export interface MergeRuleOptions {
  'model-stock': {
    /** One ratio for each row along the last axis. Default: false, one a tensor. */
    filterWise?: boolean;
    /** Which model is w_0: the round's global one, or that before the first round. Default: 'previous'. */
    anchor?: 'previous' | 'initial';
  };
  'task-arithmetic': LinearOptions;
  ties: { density?: number; lambda?: number };
  'dare-linear': SparseOptions;
  'dare-ties': SparseOptions;
  della: DellaOptions;
  'della-linear': DellaOptions;
  breadcrumbs: BreadcrumbsOptions;
  'breadcrumbs-ties': BreadcrumbsOptions;
  sce: {
    /** Share of the positions with any variance that is kept, in (0, 1]. Default: 1. */
    selectTopk?: number;
    /** Mean squares below this share of the global model's give equal weights. Default: 0, below 1e-6 in all. */
    relativeEps?: number;
  };
  ram: {
    /** Magnitudes up to it count as unchanged. Default: 1e-5. */
    epsilon?: number;
  };
  'ramplus-tl': { r?: number; alpha?: number; epsilon?: number };
  multislerp: { eps?: number };
  karcher: { maxIter?: number; tol?: number };
}

export type MergeRuleName = keyof MergeRuleOptions;

export interface MergeRule {
  readonly method: MergeMethod;
  /** Fewer updates than this are handed on as they are. Default: 1. */
  readonly least?: number;
  /** Whether the rule merges models, not updates: its geometry is that of the weights themselves. */
  readonly ofModels?: boolean;
  /** Own defaults of the method's parameters, by their names in recipes. */
  readonly defaults?: Readonly<Record<string, number>>;
  /** Parameters that are not to be chosen: the rule would not be itself with another value. */
  readonly fixed?: Readonly<Record<string, number>>;
}

const half = { density: 0.5, normalize: 1 };

/** Methods of exactly two models (slerp, nuslerp, nearswap, arcee_fusion) reduce no cohort, and linear is `weighted-mean`. */
export const mergeRules: Readonly<Record<MergeRuleName, MergeRule>> = {
  'model-stock': { method: modelStock, least: 2 },
  'task-arithmetic': {
    method: taskArithmetic,
    defaults: { normalize: 1 },
    fixed: { density: 1, rescale: 0 },
  },
  // A tensor too small for its density keeps its largest entry.
  ties: {
    method: ties,
    defaults: { density: 0.2 },
    fixed: { min_keep: 1, normalize: 1, rescale: 0 },
  },
  'dare-linear': { method: dareLinear, defaults: half, fixed: { rescale: 1 } },
  'dare-ties': { method: dareTies, defaults: half, fixed: { rescale: 1 } },
  della: { method: della, defaults: half, fixed: { rescale: 1 } },
  'della-linear': { method: dellaLinear, defaults: half, fixed: { rescale: 1 } },
  breadcrumbs: { method: breadcrumbs, defaults: { ...half, density: 0.9 }, fixed: { rescale: 0 } },
  'breadcrumbs-ties': { method: breadcrumbsTies, defaults: { ...half, density: 0.9 }, fixed: { rescale: 0 } },
  sce: { method: sce },
  ram: { method: ram },
  'ramplus-tl': { method: ramPlus },
  multislerp: { method: multislerp, fixed: { normalize_weights: 1 } },
  karcher: { method: karcher, ofModels: true },
};
