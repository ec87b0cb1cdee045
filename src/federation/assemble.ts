/** From a configuration to the parts of a run: model, strategy, stages, local training. */
import { fixedDenominator, meanOfHolders, type Reducer, weightedMean } from '../combine/reducers.js';
import { fisher, regmean } from '../combine/reducers-data.js';
import { mergeReducer } from '../combine/reducers-merge.js';
import type { Dataset } from '../data/dataset.js';
import { InvalidArgumentError, ShapeMismatchError } from '../errors.js';
import { cifar10Cnn, mlp, mnistCnn, softmaxRegression } from '../nn/zoo.js';
import type { Model } from '../program/model.js';
import type { LocalTrainerOptions } from '../train/local-trainer.js';
import { clip } from '../update/clip.js';
import { fisherDropout } from '../update/fisher-dropout.js';
import { gaussianNoise } from '../update/gaussian-noise.js';
import { quantize } from '../update/quantize.js';
import type { Codec, Stage } from '../update/stage.js';
import type { CustomObjects } from './config/objects.js';
import type { SimulateConfig } from './config/schema.js';
import { fedAvg, fedAvgM } from './strategies/fedavg.js';
import { defineStrategy, type Strategy } from './strategies/strategy.js';
import { asUserCodeError, callUserCode } from './user-code.js';

/** @throws {ShapeMismatchError} if the model's input or classes are not those of the data. */
export function assembleModel(config: SimulateConfig, objects: CustomObjects, data: Dataset): Model {
  const model = namedModel(config, objects, data);
  if (model.inputSize !== data.exampleSize)
    throw new ShapeMismatchError(
      `model '${model.name}' on data set '${data.name}'`,
      data.shape,
      model.input,
      'give the model the input shape of the data, or the data another shape',
    );
  if (model.classes !== data.classes)
    throw new ShapeMismatchError(
      `classes of model '${model.name}' on data set '${data.name}'`,
      [data.classes],
      [model.classes],
      'the last layer has as many units as the data has classes',
    );
  return model;
}

function namedModel({ model }: SimulateConfig, objects: CustomObjects, data: Dataset): Model {
  switch (model.type) {
    case 'softmax-regression':
      return softmaxRegression(data.exampleSize, data.classes);
    case 'mlp':
      return mlp({ layers: model.layers, activation: model.activation });
    case 'mnist-cnn':
      return mnistCnn(data.classes);
    case 'cifar10-cnn':
      return cifar10Cnn(data.classes);
    case 'module':
    case 'custom':
      if (!objects.model)
        throw new InvalidArgumentError('simulate', 'model', 'a traced model', objects.model);
      return objects.model;
    default:
      return model satisfies never;
  }
}

export function assembleStrategy(config: SimulateConfig, objects: CustomObjects): Strategy {
  const { type, serverOptimizer, serverLr, serverMomentum, serverNesterov } = config.strategy;
  if (type === 'custom') return defineStrategy(objects.strategy as Strategy);
  const reduce = assembleReducer(config, objects);
  return serverOptimizer === 'sgdm'
    ? fedAvgM({ reduce, lr: serverLr, momentum: serverMomentum, nesterov: serverNesterov })
    : fedAvg({ reduce, lr: serverLr });
}

function assembleReducer({ update: { reduce } }: SimulateConfig, { reducer }: CustomObjects): Reducer {
  switch (reduce) {
    case 'weighted-mean':
      return weightedMean();
    case 'fixed-denominator':
      return fixedDenominator();
    case 'mean-of-holders':
      return meanOfHolders();
  }
  switch (reduce.type) {
    case 'custom':
      // The strategy that it becomes a part of is checked as a whole.
      return reducer as Reducer;
    case 'fisher':
      return fisher(reduce);
    case 'regmean':
      return regmean(reduce);
    default: {
      const { type, ...parameters } = reduce;
      return mergeReducer(type, parameters);
    }
  }
}

/** Stages in pipeline order; noise takes its bound from the clip before it. */
export function assembleStages({ update }: SimulateConfig, objects: CustomObjects): Stage[] {
  let maxNorm: number | undefined;
  return update.pipeline.map((stage) => {
    if ('clip' in stage) {
      maxNorm = stage.clip.maxNorm;
      return clip(stage.clip);
    }
    if ('fisherDropout' in stage) return fisherDropout(stage.fisherDropout);
    if ('quantize' in stage) return quantize(stage.quantize);
    if ('gaussianNoise' in stage) return gaussianNoise({ ...stage.gaussianNoise, maxNorm: maxNorm ?? 0 });
    const object = guardedStage(objects.stages[stage.custom.index]);
    maxNorm = object.maxNorm ?? maxNorm;
    return object;
  });
}

/** A stage of the user's own whose errors name the stage, the round and the client. */
function guardedStage(stage: Stage): Stage {
  const guarded = (codec: Codec, direction: string): Codec => {
    const call = (step: 'encode' | 'decode'): Codec['encode'] => {
      const hook = `${direction}.${step} of stage '${stage.name}'`;
      return (payload, context) =>
        callUserCode(hook, context.round, context.client, () => codec[step](payload, context));
    };
    return { encode: call('encode'), decode: call('decode') };
  };
  const { plan, download, upload } = stage;
  return {
    ...stage,
    ...(download && { download: guarded(download, 'download') }),
    ...(upload && { upload: guarded(upload, 'upload') }),
    ...(plan && {
      plan: async (context) => {
        try {
          return await plan.call(stage, context);
        } catch (error) {
          throw asUserCodeError(`plan of stage '${stage.name}'`, context.round, context.client, error);
        }
      },
    }),
  };
}

export function localTrainingOptions({ client }: SimulateConfig, strategy: Strategy): LocalTrainerOptions {
  const { optimizer, momentum = 0.9, nesterov, weightDecay, maxGradNorm, exampleClip } = client;
  const proximal = strategy.client?.proximal ?? 0;
  return {
    epochs: client.localEpochs,
    steps: client.localSteps,
    batchSize: client.batchSize,
    dropRemainder: client.dropRemainder,
    optimizer: optimizer === 'sgdm' ? { kind: 'sgdm', momentum, nesterov } : { kind: optimizer },
    weightDecay,
    maxGradNorm: maxGradNorm > 0 ? maxGradNorm : undefined,
    exampleClip,
    terms: proximal > 0 ? [{ name: 'proximal', a: proximal, center: 'initial' }] : undefined,
  };
}
