/** All merge methods by name. */
import { arceeFusion } from './arcee-fusion.js';
import { breadcrumbs, breadcrumbsTies } from './breadcrumbs.js';
import { dareLinear, dareTies } from './dare.js';
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
