/** Public entry `heddle/data`, safe for browsers: data sets, readers of bytes, synthetic twins, partitions. */
export { channelStatistics, cifar10Files, readCifar10, readCifar10Part } from './cifar.js';
export {
  countLabels,
  type Dataset,
  type DatasetOptions,
  dataset,
  gatherF32,
  type TaskData,
  withShape,
} from './dataset.js';
export {
  DataFormatError,
  DataNotFoundError,
  EmptyClientError,
  LabelRangeError,
  NonFiniteDataError,
  PartitionError,
} from './errors.js';
export { type IdxArray, type IdxOptions, parseIdx, readIdx } from './idx.js';
export { type MnistFile, mnistFiles, type NamedBytes, readMnist, readMnistPart } from './mnist.js';
export {
  type Partition,
  type PartitionSpec,
  partition,
  partitionToJson,
} from './partition/index.js';
export type { PartitionReport } from './partition/report.js';
export {
  type SyntheticOptions,
  type SyntheticShape,
  type SyntheticTwin,
  syntheticTask,
  syntheticTwins,
} from './synthetic.js';
