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
  /** Written spaces that are wanted; default: all. The others need no array. */
  readonly results?: readonly string[];
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

export interface ExecuteOptions {
  readonly resident?: ResidentData;
  /** Asked between steps; true ends the job early, with the outputs of the steps so far. */
  readonly shouldStop?: () => boolean;
}

/**
 * Runs one job to its end on the calling thread; see {@link JobExecutor}.
 *
 * @throws {JobBindingError} if a space is not bound, too short, or of another element type.
 */
export function runJob(kernels: Kernels, job: ExecutableJob, options: ExecuteOptions = {}): void {
  const executor = new JobExecutor(kernels);
  try {
    executor.run(job, options);
  } finally {
    executor.dispose();
  }
}

/** Programs whose memory is kept: training and evaluation at a few batch sizes. */
const kMaxPrepared = 8;

/**
 * Runs jobs one after another on the calling thread, and keeps what it has prepared for a program.
 *
 * Where the back end cannot use foreign arrays (WASM), spaces live in its own memory: they are copied in when a job starts, and
 * those that a job writes are copied back at its end. The last batch of an epoch is the tail if it has the program's tail
 * size; a last batch of any other size is left out.
 */
export class JobExecutor {
  readonly #prepared = new Map<JobProgram, PreparedJob>();

  constructor(readonly kernels: Kernels) {}

  /** @throws {JobBindingError} if a space is not bound, too short, of another element type, or written and shared. */
  run(job: ExecutableJob, options: ExecuteOptions = {}): void {
    checkJob(job);
    const prepared = this.#prepare(job, options.resident ?? new Map());
    prepared.start(job);
    runSteps(job, prepared, options.shouldStop ?? (() => false));
    prepared.finish(job);
  }

  dispose(): void {
    for (const prepared of this.#prepared.values()) prepared.dispose();
    this.#prepared.clear();
  }

  #prepare(job: ExecutableJob, resident: ResidentData): PreparedJob {
    const known = this.#prepared.get(job.program);
    if (known?.fits(job, resident)) return known;
    known?.dispose();
    this.#prepared.delete(job.program);
    const [oldest] = this.#prepared;
    if (oldest && this.#prepared.size >= kMaxPrepared) {
      oldest[1].dispose();
      this.#prepared.delete(oldest[0]);
    }
    const prepared = new PreparedJob(this.kernels, job, resident);
    this.#prepared.set(job.program, prepared);
    return prepared;
  }
}

function runSteps(job: ExecutableJob, prepared: PreparedJob, shouldStop: () => boolean): void {
  const { program, index, shuffle, epochs, steps = Number.POSITIVE_INFINITY } = job;
  const { batchSize, tailSize } = program;
  const { before, full, tail, after } = prepared.tapes;
  const order = Uint32Array.from(index.keys());
  let batch = prepared.batch();
  let done = 0;
  const step = (ops: readonly (() => void)[], start: number, size: number): void => {
    for (let i = 0; i < size; i++) batch[i] = index[order[start + i]];
    runOps(ops);
    advance(prepared.scalars, program);
    done += 1;
  };
  runOps(before);
  for (let epoch = 0; epoch < epochs && done < steps && !shouldStop(); epoch++) {
    if (shuffle) {
      prepared.kernels.permutationU32(order, shuffle.key0, shuffle.key1, epoch, 0);
      // An array of the caller may have grown the back end's memory, which leaves older views empty.
      batch = prepared.batch();
    }
    let start = 0;
    for (; start + batchSize <= index.length && done < steps && !shouldStop(); start += batchSize)
      step(full, start, batchSize);
    const atTail = tailSize > 0 && index.length - start === tailSize;
    if (atTail && done < steps && !shouldStop()) step(tail, start, tailSize);
  }
  runOps(after);
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
function bindOp(kernels: Kernels, op: TapeOp, operands: AnyArray[], runtime: Float64Array): () => void {
  const call: BoundKernel = kernels.bind(op.kernel, operands);
  const types = specs[op.kernel].args.flatMap((arg) => (arg.kind === 'scalar' ? [arg.dtype] : []));
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

function convert(value: number, type: string): number {
  if (type === 'f32') return Math.fround(value);
  if (type === 'u32') return value >>> 0;
  return type === 'i32' ? value | 0 : value;
}

const written: ReadonlySet<string> = new Set(['slot', 'gradient', 'state', 'totals']);

/** Whether a job reads or writes the caller's array of a space, rather than memory of the executor alone. */
export function isBound({ name, role }: Space, results: readonly string[] | undefined): boolean {
  if (role === 'arena' || role === 'index') return false;
  return !written.has(role) || results === undefined || results.includes(name);
}

/** Whether a job writes to the caller's array of a space. */
export function isResult(space: Space, results: readonly string[] | undefined): boolean {
  return written.has(space.role) && isBound(space, results);
}

/** A program bound to memory: its spaces, and its ops as calls without arguments. */
class PreparedJob {
  readonly scalars: Float64Array;
  readonly tapes: Readonly<Record<'before' | 'full' | 'tail' | 'after', readonly (() => void)[]>>;
  readonly #spaces: readonly Space[];
  readonly #bound: readonly boolean[];
  /** What the kernels use: memory of the back end, or the bound array itself. */
  readonly #memory: (KernelBuffer<AnyArray> | AnyArray)[] = [];
  readonly #owned: KernelBuffer<AnyArray>[] = [];

  constructor(
    readonly kernels: Kernels,
    { program, bindings, results }: ExecutableJob,
    resident: ResidentData,
  ) {
    this.#spaces = program.spaces;
    this.#bound = program.spaces.map((space) => isBound(space, results));
    this.scalars = new Float64Array(program.scalars.length);
    for (const [i, space] of this.#spaces.entries()) {
      const bound = this.#bound[i] ? bindings[space.name] : undefined;
      const known = bound && resident.get(bound);
      if (known) this.#memory.push(known);
      else if (bound && kernels.backend !== 'wasm') this.#memory.push(bound);
      else {
        const length = bound?.length ?? space.length;
        const buffer = kernels.alloc(length, space.dtype) as KernelBuffer<AnyArray>;
        this.#owned.push(buffer);
        this.#memory.push(buffer);
      }
    }
    // Views only now that all memory is there: it can move while it grows.
    const bind = (tape: Tape) =>
      tape.ops.map((op) => {
        const operands = op.operands.map((operand, position) => this.#view(op, operand, position));
        return bindOp(kernels, op, operands, this.scalars);
      });
    const { before, full, tail, after } = program;
    this.tapes = { before: bind(before), full: bind(full), tail: bind(tail), after: bind(after) };
  }

  /** Whether a further job of the program can run in this memory. */
  fits({ bindings, results }: ExecutableJob, resident: ResidentData): boolean {
    return this.#spaces.every((space, i) => {
      if (isBound(space, results) !== this.#bound[i]) return false;
      if (!this.#bound[i]) return true;
      const bound = bindings[space.name];
      const memory = this.#memory[i];
      const known = resident.get(bound);
      if (known || ArrayBuffer.isView(memory)) return memory === (known ?? bound);
      return this.#owned.includes(memory) && memory.length === bound.length;
    });
  }

  start({ bindings, scalars }: ExecutableJob): void {
    this.scalars.set(scalars);
    for (const [i, space] of this.#spaces.entries())
      if (this.#bound[i] && this.#isCopy(i)) this.#array(i).set(bindings[space.name] as never);
  }

  finish({ bindings }: ExecutableJob): void {
    for (const [i, { name, role }] of this.#spaces.entries())
      if (this.#bound[i] && written.has(role) && this.#isCopy(i)) bindings[name].set(this.#array(i) as never);
  }

  /** Where the example numbers of a step go. */
  batch(): AnyArray {
    const at = this.#spaces.findIndex((space) => space.role === 'index');
    return at < 0 ? new Uint32Array(0) : this.#array(at);
  }

  dispose(): void {
    for (const buffer of this.#owned) buffer.dispose();
  }

  #isCopy(space: number): boolean {
    const memory = this.#memory[space];
    return !ArrayBuffer.isView(memory) && this.#owned.includes(memory);
  }

  #array(space: number): AnyArray {
    const memory = this.#memory[space];
    return ArrayBuffer.isView(memory) ? memory : memory.view();
  }

  #view(op: TapeOp, { space, offset, length }: Operand, position: number): AnyArray {
    if (length === 0) {
      const arg = specs[op.kernel].args.filter((each) => each.kind !== 'scalar')[position];
      return emptyArrays[arg.dtype];
    }
    const array = this.#array(space);
    const { role, name } = this.#spaces[space];
    if (role === 'examples' || role === 'labels') return array;
    if (offset + length > array.length)
      throw new RangeError(`${op.kernel} at ${op.label} reaches past the space '${name}'`);
    return array.subarray(offset, offset + length);
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

function checkJob({ program, bindings, results, scalars }: ExecutableJob): void {
  for (const space of program.spaces) {
    if (!isBound(space, results)) continue;
    const { name, dtype, length } = space;
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
  checkOverlap(program.spaces, bindings, results);
  if (scalars.length !== program.scalars.length)
    throw new JobBindingError(
      `the program has ${program.scalars.length} run-time scalars, the job gives ${scalars.length}`,
      'take the start values from startScalars(program, ...)',
    );
}

/** A space that is written is memory of its own: copied in and out by one executor and used in place by another, it would differ. */
function checkOverlap(
  spaces: readonly Space[],
  bindings: ExecutableJob['bindings'],
  results: ExecutableJob['results'],
): void {
  const bound = spaces.filter((space) => isBound(space, results) && bindings[space.name].length > 0);
  for (const space of bound) {
    if (!isResult(space, results)) continue;
    const other = bound.find((each) => each !== space && overlap(bindings[space.name], bindings[each.name]));
    if (other)
      throw new JobBindingError(
        `spaces '${space.name}' and '${other.name}' share memory`,
        `bind an array of its own to '${space.name}', which the job writes`,
      );
  }
}

function overlap(a: AnyArray, b: AnyArray): boolean {
  return (
    a.buffer === b.buffer &&
    a.byteOffset < b.byteOffset + b.byteLength &&
    b.byteOffset < a.byteOffset + a.byteLength
  );
}
