/** Between the flat vector of a traced model and its named tensors in files. */
import { HeddleError, ShapeMismatchError } from '../../errors.js';
import type { ParamSpec } from '../param-spec.js';
import type { FlatModel, FlatTensor } from './flat-model.js';

/** A checkpoint lacks a tensor of the model that it is to be read as. */
export class ModelTensorError extends HeddleError {
  constructor(readonly tensor: string) {
    super(
      'ERR_MODEL_TENSOR',
      `the checkpoint has no tensor ${tensor}, which the model needs`,
      'read it as the model that it was written from',
    );
  }
}

/** The tensors of a flat vector, float32; views of it, no copies. @throws {ShapeMismatchError} for another length than the layout's. */
export function paramTensors(
  spec: ParamSpec,
  params: Float32Array,
  metadata?: Readonly<Record<string, string>>,
): FlatModel {
  const tensors = new Map<string, FlatTensor>();
  for (const { name, shape } of spec.entries)
    tensors.set(name, { dtype: 'F32', shape, values: spec.slice(params, name) });
  return { tensors, ...(metadata && { metadata }) };
}

/**
 * The flat vector of a layout from tensors that bear its names; others are left out.
 *
 * @throws {ModelTensorError} for a tensor that is missing, {@link ShapeMismatchError} for one of another shape.
 */
export function paramsOfTensors(spec: ParamSpec, model: FlatModel): Float32Array {
  const params = new Float32Array(spec.size);
  for (const { name, shape } of spec.entries) {
    const tensor = model.tensors.get(name);
    if (tensor === undefined) throw new ModelTensorError(name);
    if (tensor.shape.join() !== shape.join())
      throw new ShapeMismatchError(
        name,
        shape,
        tensor.shape,
        'read it as the model that it was written from',
      );
    spec.slice(params, name).set(tensor.values);
  }
  return params;
}
