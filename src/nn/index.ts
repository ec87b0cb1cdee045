/** Public entry `heddle/nn`: models and how to define one's own. */
export { ModelDefinitionError, ModelShapeError, PerExampleError } from '../program/errors.js';
export { defineModel, type Model, type ModelOptions } from '../program/model.js';
export type {
  Activation,
  ConvOptions,
  DenseOptions,
  PoolOptions,
  Tensor,
  Tracer,
} from '../program/tracer.js';
export { type ParamEntry, ParamSpec, ParamSpecError } from '../tensor/param-spec.js';
export { cifar10Cnn, femnistCnn, type MlpOptions, mlp, mnistCnn, softmaxRegression } from './zoo.js';
