import { HeddleError } from '../../errors.js';

/** A model cannot be grown, shrunk or mapped as asked. */
export class RecycleError extends HeddleError {
  constructor(problem: string, hint: string) {
    super('ERR_RECYCLE', problem, hint);
  }
}

/** A tensor of the target got no source, or two. */
export class UnassignedTensorError extends HeddleError {
  constructor(tensors: readonly string[]) {
    super(
      'ERR_UNASSIGNED_TENSOR',
      `these tensors of the target are not assigned exactly once: ${tensors.join(', ')}`,
      'give the source model complete, or fewer layers for the target',
    );
  }
}
