/** What both entries of the package export; `index.ts` and `index.web.ts` add what differs. */
export { type Aggregator, type AggregatorOptions, createAggregator } from './combine/aggregator.js';
export { StatisticsRejectedError, UpdateRejectedError, WeightRangeError } from './combine/errors.js';
export { MergeMethodError } from './combine/merge/errors.js';
export { linear, slerp } from './combine/merge/functions.js';
export { mergeModels } from './combine/merge/in-memory.js';
export type { MergeMethodName, MethodOptions } from './combine/merge/method-options.js';
export { type InMemoryModel, ModelMismatchError, type NamedTensor } from './combine/merge/models.js';
export type { MergeRuleName, MergeRuleOptions } from './combine/merge-rules.js';
export {
  type ClientStatistics,
  fixedDenominator,
  type GatheringContext,
  type GatheringReducer,
  meanOfHolders,
  type Reducer,
  type StreamingReducer,
  trimmedMean,
  type UpdateTensor,
  type WantedStatistics,
  weightedMean,
} from './combine/reducers.js';
export {
  type FisherReducerOptions,
  fisher,
  type RegMeanReducerOptions,
  regmean,
} from './combine/reducers-data.js';
export { mergeReducer, modelStock, sce, ties } from './combine/reducers-merge.js';
export { ConfigError } from './config/errors.js';
export { type Dataset, type DatasetOptions, dataset, type TaskData } from './data/dataset.js';
export { syntheticTask } from './data/synthetic.js';
export { HeddleError, InvalidArgumentError, ShapeMismatchError } from './errors.js';
export type { SimulateOptions } from './federation/config/objects.js';
export {
  DivergedError,
  RunAbortedError,
  TooFewReportsError,
  UserCodeError,
  UserResultError,
} from './federation/errors.js';
export { METRIC, type RunEvent, type RunSummary } from './federation/events.js';
export type { RunInfo, SimulationResult } from './federation/run.js';
export { fingerprintOf } from './federation/run.js';
export type { Simulation } from './federation/simulate.js';
export { fedAvg, fedAvgM } from './federation/strategies/fedavg.js';
export { type ServerOptimizer, sgd } from './federation/strategies/server-optimizer.js';
export {
  type AggregateFunction,
  type ClientUpdate,
  defineStrategy,
  type Strategy,
  type Transform,
} from './federation/strategies/strategy.js';
export { type InitOptions, init } from './init.js';
export type { KernelBuffer } from './kernels/buffer.js';
export { BackendUnavailableError } from './kernels/errors.js';
export type { BackendName, Kernels } from './kernels/kernels.js';
export { type BackendInfo, type BackendOptions, loadBackend } from './kernels/select.js';
export type { ModelFiles } from './merge/blob-store.js';
export { MergeError, RecipeError } from './merge/errors.js';
export {
  type MergeBlobsOptions,
  type MergedBlobs,
  mergeRecipeBlobs,
  planRecipeBlobs,
} from './merge/merge-blobs.js';
export type { PlanDescription, TensorDescription } from './merge/planner/describe.js';
export { MemoryBudgetError, NonFiniteOutputError } from './merge/stream/errors.js';
export type { StreamProgress } from './merge/stream/stream.js';
export type { LayerChange, MergeSummary } from './merge/summary.js';
export { cifar10Cnn, mlp, mnistCnn, softmaxRegression } from './nn/zoo.js';
export { defineModel, type Model } from './program/model.js';
export { ParamSpec } from './tensor/param-spec.js';
export { type ModelBlob, openModelBlobs } from './tensor/safetensors/blob-reader.js';
export { type TensorDifference, tensorDifference } from './tensor/safetensors/difference.js';
export type { StoredDtype, TensorDtype } from './tensor/safetensors/dtype.js';
export { InputChangedError, ModelFileError, SafetensorsFormatError } from './tensor/safetensors/errors.js';
export {
  encodeModel,
  type FlatModel,
  type FlatModelOptions,
  type FlatTensor,
  readModelBlobs,
} from './tensor/safetensors/flat-model.js';
export { ModelTensorError, paramsOfTensors, paramTensors } from './tensor/safetensors/param-model.js';
export type { ModelFile, ModelSource, TensorInfo } from './tensor/safetensors/source.js';
export { type TensorStatistics, tensorStatistics } from './tensor/safetensors/statistics.js';
export type { MeasuredTensor } from './tensor/safetensors/value-chunks.js';
export type {
  ModelWriter,
  ModelWriterOptions,
  OutputInfo,
  WrittenModel,
} from './tensor/safetensors/writer.js';
export {
  diagonalFisher,
  type FisherStatisticsOptions,
  type InputGrams,
  inputGrams,
  type LayerGram,
  type StatisticsOptions,
} from './train/statistics.js';
export type { Trainer, TrainJob, TrainResult } from './train/trainer.js';
export {
  type Judgement,
  type JudgeOptions,
  openTrainingSession,
  type TrainingSession,
  type TrainingSessionOptions,
  type TrainOptions,
} from './train/training-session.js';
export { clip } from './update/clip.js';
export { fisherDropout } from './update/fisher-dropout.js';
export { gaussianNoise } from './update/gaussian-noise.js';
export { quantize } from './update/quantize.js';
export type { Payload, Stage } from './update/stage.js';
export { version } from './version.js';
