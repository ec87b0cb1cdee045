import { HeddleError } from '../errors.js';

/** Where in a model definition something went wrong. */
export interface ModelPlace {
  /** Layer name, or the operation where there is none. */
  readonly layer: string;
  /** Line of the caller's own source, as `file:line:column`; empty where the host gives no stack. */
  readonly source: string;
}

const at = ({ layer, source }: ModelPlace) => `layer '${layer}'${source === '' ? '' : ` (${source})`}`;

/** A layer of a model does not fit what it is fed. */
export class ModelShapeError extends HeddleError {
  constructor(
    readonly place: ModelPlace,
    problem: string,
    hint: string,
  ) {
    super('ERR_MODEL_SHAPE', `${at(place)}: ${problem}`, hint);
  }
}

/** A model is put together in a way that cannot be traced. */
export class ModelDefinitionError extends HeddleError {
  constructor(
    readonly place: ModelPlace,
    problem: string,
    hint: string,
  ) {
    super('ERR_MODEL_DEFINITION', `${at(place)}: ${problem}`, hint);
  }
}

/** Gradients of single examples were asked of a model in which they do not exist. */
export class PerExampleError extends HeddleError {
  constructor(
    readonly place: ModelPlace,
    problem: string,
    hint: string,
  ) {
    super('ERR_PER_EXAMPLE', `${at(place)}: ${problem}`, hint);
  }
}
