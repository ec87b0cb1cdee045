/** heddle on Node: the library with files behind it. */

export { loadConfig } from './federation/config/load.node.js';
export { MergeError, RecipeError } from './merge/errors.js';
export {
  type CommandFitnessOptions,
  commandFitness,
  FitnessCommandError,
} from './merge/evolve/command-fitness.node.js';
export {
  type DataflowGenomeOptions,
  dataflowGenome,
  decodeLayerPath,
} from './merge/evolve/dataflow-genome.js';
export { CheckpointError, EvaluationError, SearchAbortedError, SearchError } from './merge/evolve/errors.js';
export {
  type Candidate,
  type EvolveOptions,
  type EvolveResult,
  evolve,
  type Search,
} from './merge/evolve/evolve.js';
export type { Genome } from './merge/evolve/genome.js';
export {
  createMemoryMerger,
  type MemoryMerger,
  type MemoryTensor,
} from './merge/evolve/memory-merge.node.js';
export { type ParameterGenomeOptions, parameterGenome } from './merge/evolve/parameter-genome.js';
export { type MergeOptions, mergeRecipe, planRecipe } from './merge/merge.node.js';
export type { PlanDescription, TensorDescription } from './merge/planner-describe.js';
export { RecycleError, UnassignedTensorError } from './merge/recycle/errors.js';
export { deepenDense, net2Deeper, reorderLayers } from './merge/recycle/layers.js';
export { layoutOf, type UnitModel, unitModelOf } from './merge/recycle/layout.js';
export { net2Wider, type WidenOptions } from './merge/recycle/net2wider.js';
export { type RecycleReport, type RecycleStep, recycle } from './merge/recycle/recycle.js';
export { type SubcloneOptions, subclone } from './merge/recycle/subclone.js';
export { MemoryBudgetError, NonFiniteOutputError } from './merge/stream/errors.js';
export type { LayerChange, MergeSummary } from './merge/summary.js';
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
