import type { CustomObjects } from './objects.js';
import { reduceName } from './reduce.js';
import type { CheckedConfig, Report } from './rule-context.js';
import { TASK_PRESETS } from './tasks.js';

/** Data, partition and model: what must be there, what contradicts, and what does not fit the task. */
export function checkData(config: CheckedConfig, report: Report, objects: CustomObjects): void {
  const { data, model, strategy, update } = config;
  if (data.task !== undefined && data.source !== undefined)
    report(['data', 'task'], 'contradicts data.source', 'keep one of data.task and data.source', [
      'data',
      'source',
    ]);
  if (data.task === undefined && data.source === undefined)
    report(
      ['data'],
      'names neither a task nor a source',
      'set data.task, as mnist-2nn, or describe data.source',
    );
  if (data.source !== undefined && data.synthetic)
    report(
      ['data', 'synthetic'],
      'contradicts data.source',
      'synthetic data stands for a task: set data.task',
      ['data', 'source'],
    );
  if (data.source !== undefined && data.root !== 'auto')
    report(
      ['data', 'root'],
      'contradicts data.source',
      'remove data.root; the files of data.source have their own paths',
      ['data', 'source'],
    );
  for (const [path, isCustom, object] of [
    [['data', 'source', 'format'], data.source?.format === 'custom', objects.dataset],
    [['data', 'partitioner', 'type'], data.partitioner.type === 'custom', objects.partitioner],
    [['model', 'type'], model.type === 'custom', objects.model],
    [['strategy', 'type'], strategy.type === 'custom', objects.strategy],
    [['update', 'reduce'], reduceName(update.reduce) === 'custom', objects.reducer],
  ] as const)
    if (isCustom && object === undefined)
      report(
        path,
        'is custom, which stands for an object passed in TypeScript',
        'name one of the built-in types',
      );
  const customStages = config.update.pipeline.filter((stage) => 'custom' in stage).length;
  if (customStages !== objects.stages.length)
    report(
      ['update', 'pipeline'],
      'has a custom stage, which stands for an object passed in TypeScript',
      'name a built-in stage',
    );

  const preset = data.task === undefined ? undefined : TASK_PRESETS[data.task];
  if (data.partitioner.type === 'natural' && preset !== undefined)
    report(
      ['data', 'partitioner', 'type'],
      `is natural, but the task ${data.task} names no clients`,
      'choose iid, shards or dirichlet',
      ['data', 'task'],
    );
  if (preset !== undefined) {
    const nFeatures = preset.input.reduce((product, side) => product * side, 1);
    if (model.type === 'mlp' && (model.layers[0] !== nFeatures || model.layers.at(-1) !== preset.classes))
      report(
        ['model', 'layers'],
        `runs from ${model.layers[0]} to ${model.layers.at(-1)}, but ${data.task} has ${nFeatures} inputs and ${preset.classes} classes`,
        `write [${nFeatures}, ..., ${preset.classes}]`,
        ['data', 'task'],
      );
    const cnn = { 'mnist-cnn': 784, 'cifar10-cnn': 3072 }[model.type as 'mnist-cnn' | 'cifar10-cnn'];
    if (cnn !== undefined && cnn !== nFeatures)
      report(
        ['model', 'type'],
        `is ${model.type}, which does not fit the images of ${data.task}`,
        'choose a model for this task',
        ['data', 'task'],
      );
    const { partitioner } = data;
    if ('numPartitions' in partitioner && partitioner.numPartitions > preset.nTrainExamples)
      report(
        ['data', 'partitioner', 'numPartitions'],
        `is ${partitioner.numPartitions}, more than the ${preset.nTrainExamples} training examples of ${data.task}`,
        `set it to at most ${preset.nTrainExamples}, so that no client is empty`,
      );
    if (partitioner.type === 'shards' && partitioner.shardSize !== undefined) {
      const needed = partitioner.numPartitions * partitioner.shardsPerClient * partitioner.shardSize;
      if (needed > preset.nTrainExamples)
        report(
          ['data', 'partitioner', 'shardSize'],
          `asks for ${needed} examples (clients x shards x size), but ${data.task} has ${preset.nTrainExamples}`,
          'lower shard-size, shards-per-client or num-partitions, or leave shard-size out',
        );
    }
  }
}
