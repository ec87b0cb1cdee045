/** What both entries `heddle/merge` export; `index.ts` and `index.web.ts` add what differs. */

export {
  type FisherMeanOptions,
  fisherMean,
  type GreedySoupModel,
  type GreedySoupModelOptions,
  greedySoup,
  type RegMeanOptions,
  regMean,
} from '../combine/merge/data-driven-models.js';
export { MergeMethodError, NonFiniteInputError } from '../combine/merge/errors.js';
export {
  arceeFusion,
  breadcrumbs,
  breadcrumbsTies,
  dareLinear,
  dareTies,
  della,
  dellaLinear,
  ema,
  interpolate,
  karcher,
  linear,
  modelStock,
  multislerp,
  nearswap,
  nuslerp,
  passthrough,
  ram,
  ramplusTl,
  sce,
  slerp,
  taskArithmetic,
  ties,
  uniformSoup,
} from '../combine/merge/functions.js';
export {
  type SoupSelection,
  type SoupSelectionOptions,
  type SoupStep,
  type SoupTrace,
  selectSoup,
} from '../combine/merge/greedy-soup.js';
export { mergeModels } from '../combine/merge/in-memory.js';
export type {
  BaseOptions,
  BreadcrumbsOptions,
  CommonOptions,
  DellaOptions,
  InterpolationOptions,
  KarcherOptions,
  LinearOptions,
  MergeMethodName,
  MethodOptions,
  ModelStockOptions,
  MultislerpOptions,
  NearswapOptions,
  NuslerpOptions,
  PassthroughOptions,
  PerModel,
  RamOptions,
  RamPlusOptions,
  SceOptions,
  SparseOptions,
  TaskVectorOptions,
  TiesOptions,
} from '../combine/merge/method-options.js';
export { type InMemoryModel, ModelMismatchError, type NamedTensor } from '../combine/merge/models.js';
export { InputGram } from '../combine/merge/regmean.js';
export {
  addTaskVectors,
  applyTaskVector,
  negateTaskVector,
  scaleTaskVector,
  TaskVectorBaseError,
  type TaskVectorCalls,
  taskVector,
} from '../combine/merge/task-vector-algebra.js';
export type { TensorDtype } from '../tensor/safetensors/dtype.js';
export { modelSha256 } from '../tensor/safetensors/model-hash.js';
export type { ModelFiles } from './blob-store.js';
export { MergeError, type PlanErrorClass, RecipeError, type RecipeProblem } from './errors.js';
export {
  type DataflowGenomeOptions,
  dataflowGenome,
  decodeLayerPath,
} from './evolve/dataflow-genome.js';
export { CheckpointError, EvaluationError, SearchAbortedError, SearchError } from './evolve/errors.js';
export {
  type Candidate,
  type EvolveOptions,
  type EvolveResult,
  evolve,
  type Search,
} from './evolve/evolve.js';
export type { Genome } from './evolve/genome.js';
export { type ParameterGenomeOptions, parameterGenome } from './evolve/parameter-genome.js';
export {
  type MergeBlobsOptions,
  type MergedBlobs,
  mergeRecipeBlobs,
  planRecipeBlobs,
} from './merge-blobs.js';
export { formatPlan, type PlanDescription, type TensorDescription } from './planner/describe.js';
export { RecycleError, UnassignedTensorError } from './recycle/errors.js';
export { deepenDense, net2Deeper, reorderLayers } from './recycle/layers.js';
export { layoutOf, type UnitModel, unitModelOf } from './recycle/layout.js';
export { net2Wider, type WidenOptions } from './recycle/net2wider.js';
export { type RecycleReport, type RecycleStep, recycle } from './recycle/recycle.js';
export { type SubcloneOptions, subclone } from './recycle/subclone.js';
export { MemoryBudgetError, NonFiniteOutputError } from './stream/errors.js';
export type { StreamProgress } from './stream/stream.js';
export type { LayerChange, MergeSummary } from './summary.js';
