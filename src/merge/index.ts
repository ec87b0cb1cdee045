/** Public entry `heddle/merge`: methods, recipes, searches and growth; on Node with files behind it. */

export {
  type CommandFitnessOptions,
  commandFitness,
  FitnessCommandError,
} from './evolve/command-fitness.node.js';
export { createMemoryMerger, type MemoryMerger, type MemoryTensor } from './evolve/memory-merge.node.js';
export * from './exports.js';
export { mergeRecipe } from './merge.node.js';
export type { MergeOptions } from './merge-options.node.js';
export { planRecipe } from './plan-recipe.node.js';
export { type GatherOptions, type GatherReport, gatherSidecars } from './sidecars/gather.node.js';
export { SoupTraceError } from './soup/errors.js';
export {
  type SoupCandidate,
  type SoupOptions,
  type SoupResult,
  soupModels,
  soupRecipe,
} from './soup/soup.node.js';
