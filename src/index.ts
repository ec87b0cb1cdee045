/** heddle on Node: the library with files behind it. */

export { loadConfig } from './federation/config/load.node.js';
export { mergeRecipe } from './merge/merge.node.js';
export type { MergeOptions } from './merge/merge-options.node.js';
export { planRecipe } from './merge/plan-recipe.node.js';
export * from './public.js';
export {
  type NodeSimulationOptions,
  type RecordedSimulation,
  simulate,
  startSimulation,
} from './report/recorded-simulation.node.js';
export { readModel, type WriteModelOptions, writeModel } from './tensor/safetensors/flat-model.node.js';
export { openModel } from './tensor/safetensors/reader.node.js';
export { createModelWriter } from './tensor/safetensors/writer.node.js';
