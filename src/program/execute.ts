/**
 * Runs job programs over the kernels of a back end, one call a tape op: what serves the reference and WASM.
 *
 * Every op is bound to its memory before the first step; a step writes scalars and calls, and allocates nothing.
 */
import { HeddleError } from '../errors.js';
import type { RandomKey } from '../kernels/address.js';
import type { AnyArray, KernelBuffer } from '../kernels/buffer.js';
import type { BoundKernel, Kernels } from '../kernels/kernels.js';
import { specs } from '../kernels/table.js';
import type { JobProgram, Operand, Space, Tape, TapeOp } from './tape.js';

/** The executor's part of a job request (train/job.ts). */
export interface ExecutableJob {
  readonly program: JobProgram;
  readonly bindings: Readonly<Record<string, AnyArray>>;
  readonly index: Uint32Array;
  readonly epochs: number;
  readonly steps?: number;
  readonly shuffle?: RandomKey;
  readonly scalars: readonly number[];
}

/** What a job binds does not fit its program. */
export class JobBindingError extends HeddleError {
  constructor(problem: string, hint: string) {
    super('ERR_JOB_BINDING', problem, hint);
  }
}

/**
 * Data that is in the back end's memory already, by the array that a job binds. Kept by the caller across jobs, so that a
 * data set is copied into WASM memory once.
 */
export type ResidentData = ReadonlyMap<AnyArray, KernelBuffer<AnyArray>>;

/**
 * Runs one job to its end on the calling thread.
 *
 * Spaces are copied into the back end's memory where it cannot use the bound arrays as they are, and those that a job writes
 * are copied back at the end. The last batch of an epoch is the tail if it has the program's tail size; a last batch of any
 * other size is left out.
 *
 * @param shouldStop - asked between steps; true ends the job early, with the outputs of the steps so far.
 * @throws {JobBindingError} if a space is not bound, too short, or of another element type.
 */
export function runJob(
  kernels: Kernels,
  job: ExecutableJob,
  resident: ResidentData = new Map(),
  shouldStop: () => boolean = () => false,
): void {
  const { program } = job;
  checkJob(job);
  const memory = new JobMemory(kernels, job, resident);
  try {
    const scalars = Float64Array.from(job.scalars);
    const bind = (tape: Tape) => tape.ops.map((op) => bindOp(kernels, op, memory, scalars));
    const [before, full, tail, after] = [program.before, program.full, program.tail, program.after].map(bind);
    runOps(before);
    const { batchSize, tailSize } = program;
    const count = job.index.length;
    const steps = job.steps ?? Number.POSITIVE_INFINITY;
    let done = 0;
    const step = (ops: readonly (() => void)[], start: number, size: number): void => {
      memory.setBatch(start, size);
      runOps(ops);
      advance(scalars, program);
      done += 1;
    };
    for (let epoch = 0; epoch < job.epochs && done < steps && !shouldStop(); epoch++) {
      memory.order(epoch);
      let start = 0;
      for (; start + batchSize <= count && done < steps && !shouldStop(); start += batchSize)
        step(full, start, batchSize);
      const left = count - start;
      if (tailSize > 0 && left === tailSize && done < steps && !shouldStop()) step(tail, start, left);
    }
    runOps(after);
    memory.copyBack();
  } finally {
    memory.dispose();
  }
}

function runOps(ops: readonly (() => void)[]): void {
  for (let i = 0; i < ops.length; i++) ops[i]();
}

function advance(scalars: Float64Array, { scalars: rules }: JobProgram): void {
  for (let i = 0; i < rules.length; i++) {
    const { rule, by } = rules[i];
    if (rule === 'increment') scalars[i] += by;
    else if (rule === 'multiply') scalars[i] *= by;
  }
}

/** An op with its memory and scalars settled, but for the run-time scalars, which it reads when it is called. */
function bindOp(kernels: Kernels, op: TapeOp, memory: JobMemory, runtime: Float64Array): () => void {
  const call: BoundKernel = kernels.bind(
    op.kernel,
    op.operands.map((operand, i) => memory.view(op, operand, i)),
  );
  const types = specs[op.kernel].args.flatMap((arg) => (arg.kind === 'scalar' ? [arg.dtype] : []));
  const convert = (value: number, type: string): number => {
    if (type === 'f32') return Math.fround(value);
    if (type === 'u32') return value >>> 0;
    return type === 'i32' ? value | 0 : value;
  };
  const values = op.scalars.map((scalar, i) => ('literal' in scalar ? convert(scalar.literal, types[i]) : 0));
  const moving = op.scalars.flatMap((scalar, i) =>
    'runtime' in scalar ? [{ at: i, from: scalar.runtime }] : [],
  );
  if (moving.length === 0) return () => call(values);
  return () => {
    for (let i = 0; i < moving.length; i++) {
      const { at, from } = moving[i];
      values[at] = convert(runtime[from], types[at]);
    }
    call(values);
  };
}

const written: ReadonlySet<string> = new Set(['slot', 'gradient', 'state', 'totals']);

/** The spaces of one job in the back end's memory. */
class JobMemory {
  readonly #spaces: readonly Space[];
  readonly #buffers: (KernelBuffer<AnyArray> | undefined)[] = [];
  readonly #arrays: AnyArray[] = [];
  readonly #owned: KernelBuffer<AnyArray>[] = [];
  readonly #batch: AnyArray;
  readonly #permutation: Uint32Array;

  constructor(
    readonly kernels: Kernels,
    readonly job: ExecutableJob,
    resident: ResidentData,
  ) {
    this.#spaces = job.program.spaces;
    const foreign = kernels.backend === 'wasm';
    for (const space of this.#spaces) {
      const bound = job.bindings[space.name];
      const scratch = space.role === 'arena' || space.role === 'index';
      const known = bound && resident.get(bound);
      if (known) this.#buffers.push(known);
      else if (!scratch && !foreign) this.#buffers.push(undefined);
      else {
        const length = scratch ? space.length : bound.length;
        const buffer = kernels.alloc(length, space.dtype) as KernelBuffer<AnyArray>;
        this.#owned.push(buffer);
        this.#buffers.push(buffer);
      }
    }
    // Views only now: memory can move while it grows.
    this.#spaces.forEach((space, i) => {
      const bound = job.bindings[space.name];
      const buffer = this.#buffers[i];
      this.#arrays.push(buffer ? buffer.view() : bound);
      if (buffer && bound && !resident.has(bound)) this.#arrays[i].set(bound as never);
    });
    const indexSpace = this.#spaces.findIndex((space) => space.role === 'index');
    this.#batch = indexSpace < 0 ? new Uint32Array(0) : this.#arrays[indexSpace];
    this.#permutation = new Uint32Array(job.index.length);
    for (let i = 0; i < this.#permutation.length; i++) this.#permutation[i] = i;
  }

  view(op: TapeOp, { space, offset, length }: Operand, position: number): AnyArray {
    const array = this.#arrays[space];
    const { role, dtype } = this.#spaces[space];
    if (length === 0) {
      const arg = specs[op.kernel].args.filter((each) => each.kind !== 'scalar')[position];
      return emptyArrays[arg.dtype];
    }
    if (role === 'examples' || role === 'labels') return array;
    if (offset + length > array.length)
      throw new RangeError(`${op.kernel} at ${op.label}: ${dtype} operand reaches past space ${space}`);
    return array.subarray(offset, offset + length);
  }

  /** Order of the examples in an epoch. */
  order(epoch: number): void {
    const { shuffle } = this.job;
    if (shuffle) this.kernels.permutationU32(this.#permutation, shuffle.key0, shuffle.key1, epoch, 0);
  }

  setBatch(start: number, size: number): void {
    const { index } = this.job;
    for (let i = 0; i < size; i++) this.#batch[i] = index[this.#permutation[start + i]];
  }

  copyBack(): void {
    this.#spaces.forEach(({ name, role }, i) => {
      const bound = this.job.bindings[name];
      if (this.#buffers[i] && bound && written.has(role)) bound.set(this.#arrays[i] as never);
    });
  }

  dispose(): void {
    for (const buffer of this.#owned) buffer.dispose();
  }
}

const emptyArrays = {
  f32: new Float32Array(0),
  f64: new Float64Array(0),
  u8: new Uint8Array(0),
  i8: new Int8Array(0),
  u16: new Uint16Array(0),
  i32: new Int32Array(0),
  u32: new Uint32Array(0),
} as const;

function checkJob({ program, bindings, scalars }: ExecutableJob): void {
  for (const { name, role, dtype, length } of program.spaces) {
    if (role === 'arena' || role === 'index') continue;
    const bound = bindings[name];
    if (bound === undefined)
      throw new JobBindingError(
        `the job binds nothing to space '${name}'`,
        `bind a ${dtype} array of ${length} elements`,
      );
    if (bound.constructor !== emptyArrays[dtype].constructor)
      throw new JobBindingError(
        `space '${name}' is ${dtype}, bound is a ${bound.constructor.name}`,
        `bind a ${emptyArrays[dtype].constructor.name}`,
      );
    if (bound.length < length)
      throw new JobBindingError(
        `space '${name}' needs ${length} elements, bound are ${bound.length}`,
        'bind an array that was made for this program',
      );
  }
  if (scalars.length !== program.scalars.length)
    throw new JobBindingError(
      `the program has ${program.scalars.length} run-time scalars, the job gives ${scalars.length}`,
      'take the start values from startScalars(program, ...)',
    );
}
