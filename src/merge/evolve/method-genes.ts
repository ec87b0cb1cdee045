/** Which numbers of each merge method a search may set, where it starts, and in what range they mean something. */
import type { Bounds } from './bounds.js';

export interface Gene {
  /** Parameter name in recipes. */
  readonly name: string;
  readonly scope: 'model' | 'global';
  /** Start value; 'share' is 1 / models. */
  readonly start: number | 'share';
  /** Folded by absolute value: a negative number means the positive one. Weights may be freed of it; a switch is 1 from 0.5 on, else 0. */
  readonly fold: 'weight' | 'absolute' | 'switch';
  /** What 1 in the search vector stands for, so that one step size serves small numbers too. Default: 1. */
  readonly unit?: number;
  /** Ends at which a value is clamped after folding. */
  readonly clamp?: Bounds;
}

const unit: Bounds = { lower: 0, upper: 1 };
const weight: Gene = { name: 'weight', scope: 'model', start: 'share', fold: 'weight' };
const density: Gene = { name: 'density', scope: 'model', start: 1, fold: 'absolute', clamp: unit };
const gamma: Gene = { name: 'gamma', scope: 'model', start: 0.01, unit: 0.01, fold: 'absolute', clamp: unit };

/**
 * DELLA's epsilon stays at its default: together with the density it has to leave every probability in (0, 1), so the density is
 * clamped to where that holds.
 */
const dellaDensity: Gene = {
  ...density,
  start: 0.8,
  clamp: { lower: 0.16, upper: 0.84 },
};

/** Methods with numbers to search for; karcher, arcee_fusion and the soups have none. `slerp` finds its pair by the two largest t. */
export const methodGenes: Readonly<Record<string, readonly Gene[]>> = {
  linear: [weight],
  nuslerp: [weight],
  multislerp: [weight],
  task_arithmetic: [weight],
  ties: [weight, density],
  dare_linear: [weight, density],
  dare_ties: [weight, density],
  della: [weight, dellaDensity],
  della_linear: [weight, dellaDensity],
  breadcrumbs: [weight, density, gamma],
  breadcrumbs_ties: [weight, density, gamma],
  slerp: [{ name: 't', scope: 'model', start: 1, fold: 'weight' }],
  nearswap: [{ name: 't', scope: 'global', start: 0.001, unit: 0.001, fold: 'absolute' }],
  sce: [{ name: 'select_topk', scope: 'global', start: 1, fold: 'absolute', clamp: unit }],
  ram: [{ name: 'epsilon', scope: 'global', start: 1e-5, unit: 1e-5, fold: 'absolute' }],
  ramplus_tl: [
    { name: 'r', scope: 'global', start: 0.1, unit: 0.1, fold: 'absolute' },
    { name: 'alpha', scope: 'global', start: 0.2, unit: 0.2, fold: 'absolute' },
  ],
  model_stock: [{ name: 'filter_wise', scope: 'global', start: 0, fold: 'switch' }],
  fisher: [weight],
  regmean: [weight],
  passthrough: [{ name: 'scale', scope: 'model', start: 1, fold: 'weight' }],
};

/** Methods whose `normalize` a search sets to true unless told otherwise. */
export const normalizedByDefault: readonly string[] = ['linear', 'ties', 'dare_ties'];
/** Methods that know `normalize`. */
export const withNormalize: readonly string[] = [
  'linear',
  'task_arithmetic',
  'ties',
  'dare_linear',
  'dare_ties',
  'della',
  'della_linear',
  'breadcrumbs',
  'breadcrumbs_ties',
];
