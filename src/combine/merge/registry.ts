/** All merge methods by name. */
import { arceeFusion } from './arcee-fusion.js';
import { breadcrumbs, breadcrumbsTies } from './breadcrumbs.js';
import { dareLinear, dareTies } from './dare.js';
import { fisher, regmean } from './data-driven.js';
import { della, dellaLinear } from './della.js';
import { karcher } from './karcher.js';
import { linear, uniformSoup } from './linear.js';
import type { MergeMethod } from './method.js';
import { modelStock } from './model-stock.js';
import { multislerp } from './multislerp.js';
import { nearswap } from './nearswap.js';
import { nuslerp } from './nuslerp.js';
import { passthrough } from './passthrough.js';
import { ram, ramPlus } from './ram.js';
import { sce } from './sce.js';
import { slerp } from './slerp.js';
import { taskArithmetic } from './task-arithmetic.js';
import { ties } from './ties.js';

export const mergeMethods: readonly MergeMethod[] = [
  linear,
  uniformSoup,
  slerp,
  nuslerp,
  multislerp,
  karcher,
  taskArithmetic,
  ties,
  dareLinear,
  dareTies,
  della,
  dellaLinear,
  breadcrumbs,
  breadcrumbsTies,
  sce,
  ram,
  ramPlus,
  modelStock,
  nearswap,
  arceeFusion,
  passthrough,
];

/** The method of that name (snake_case), or undefined. */
export const findMergeMethod = (name: string): MergeMethod | undefined =>
  mergeMethods.find((method) => method.name === name);

/** Methods that recipes may name besides: they merge models that have measurements in files beside them. */
const sidecarMethods: readonly MergeMethod[] = [fisher, regmean];

/** The methods that recipes may name. */
export const recipeMethods: {
  get(name: string): MergeMethod | undefined;
  readonly names: readonly string[];
} = {
  get: (name) => findMergeMethod(name) ?? sidecarMethods.find((method) => method.name === name),
  names: [...mergeMethods, ...sidecarMethods].map(({ name }) => name),
};
