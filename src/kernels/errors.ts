import { HeddleError } from '../errors.js';

/** An operand has another element type than the kernel declares. */
export class DtypeError extends HeddleError {
  constructor(kernel: string, argument: string, expected: string, received: string) {
    super(
      'ERR_DTYPE',
      `${kernel}: ${argument} must be a ${expected}, received ${received}`,
      `convert ${argument} to a ${expected} first`,
    );
  }
}

/** An operand's length does not follow from the others. */
export class KernelLengthError extends HeddleError {
  constructor(kernel: string, argument: string, expected: number, received: number) {
    super(
      'ERR_SHAPE_MISMATCH',
      `${kernel}: ${argument} must have ${expected} elements, received ${received}`,
      'pass operands that were flattened with one layout (the ParamSpec of the global model)',
    );
  }
}

/** Scalars and lengths that would lead a kernel out of its operands. */
export class KernelShapeError extends HeddleError {
  constructor(kernel: string, requirement: string) {
    super(
      'ERR_SHAPE_MISMATCH',
      `${kernel}: the call does not obey ${requirement}`,
      'pass the sizes, strides and counts that belong to the operands',
    );
  }
}

/** Offsets of segments that go backwards. */
export class OffsetOrderError extends HeddleError {
  constructor(kernel: string, argument: string, position: number) {
    super(
      'ERR_INDEX_RANGE',
      `${kernel}: ${argument}[${position}] is below the offset before it`,
      `sort ${argument}: a segment ends where the next one starts`,
    );
  }
}

/** An index operand points outside what it indexes. */
export class IndexRangeError extends HeddleError {
  constructor(kernel: string, argument: string, position: number, bound: number) {
    super(
      'ERR_INDEX_RANGE',
      `${kernel}: ${argument}[${position}] must be below ${bound}`,
      `keep every element of ${argument} below ${bound}`,
    );
  }
}

/** What the native addon throws carries one of our codes; the class is restored here. */
export class NativeKernelError extends HeddleError {
  constructor(code: string, message: string, cause: unknown) {
    super(code, message, 'see docs/kernels.md for the shapes and types of each kernel', { cause });
  }
}

export interface BackendAttempt {
  what: string;
  why: string;
}

/** A back end was asked for and cannot be had here. */
export class BackendUnavailableError extends HeddleError {
  constructor(
    backend: string,
    readonly attempts: readonly BackendAttempt[],
    hint: string,
    cause?: unknown,
  ) {
    const tried = attempts.map(({ what, why }) => `\n    ${what}: ${why}`).join('');
    super(
      'ERR_BACKEND_UNAVAILABLE',
      `the ${backend} back end is not available${tried ? `; tried:${tried}` : ''}`,
      hint,
      {
        cause,
      },
    );
  }
}

/** The host refuses an array of that size, or WASM memory is at its declared maximum. */
export class OutOfMemoryError extends HeddleError {
  constructor(bytes: number, what: 'memory' | 'WebAssembly memory', cause?: unknown) {
    const elsewhere = what === 'memory' ? '' : ', or use the native back end';
    super(
      'ERR_OUT_OF_MEMORY',
      `cannot allocate ${bytes} bytes of ${what}`,
      `dispose buffers that are no longer used, lower the batch size or the number of workers${elsewhere}`,
      { cause },
    );
  }
}
