/**
 * A tape: the flat list of kernel calls that a bound program has become. It is interpreted by two executors (C++ and
 * TypeScript) with the same bits, and is not a file format: the kernel numbers are those of this build.
 *
 * An op is one kernel of the table. Its operands are regions of *spaces* (the arena, parameter slots, the data set, ...);
 * its scalars are literals or run-time scalars that a job sets and advances from step to step.
 */
import type { Dtype } from '../kernels/define.js';
import { type KernelName, kernelNames, specs } from '../kernels/table.js';

/**
 * What a space is:
 * - `arena`: scratch owned by the executor, without meaning between steps;
 * - `slot`: a flat parameter vector (trained in place), `gradient` and `state`: vectors that live as long as a job;
 * - `const`: read only for the length of a job (the global model, a mask, a centre);
 * - `examples`, `labels`: the data set, addressed whole; `index`: the example numbers of the current batch (its base moves);
 * - `totals`: float64 [loss sum, correct, rows], added to over the job.
 */
export type SpaceRole =
  | 'arena'
  | 'slot'
  | 'gradient'
  | 'state'
  | 'const'
  | 'examples'
  | 'labels'
  | 'index'
  | 'totals';

export interface Space {
  readonly name: string;
  readonly role: SpaceRole;
  readonly dtype: Dtype;
  /** Elements. For `index`: the batch size. For `examples` and `labels`: 0 = decided by what the job binds. */
  readonly length: number;
}

export interface Operand {
  readonly space: number;
  /** First element. */
  readonly offset: number;
  /**
   * Elements; 0 = an optional operand that is not there. An operand in `examples` or `labels` is always the whole bound
   * array and has the nominal length 1: only the job knows how many examples there are.
   */
  readonly length: number;
}

export type ScalarOperand = { readonly literal: number } | { readonly runtime: number };

export type Phase = 'input' | 'forward' | 'loss' | 'dataGrad' | 'weightGrad' | 'clip' | 'update' | 'metric';

export interface TapeOp {
  readonly kernel: KernelName;
  /** One per vector argument of the kernel, in the table's order. Kernels with list arguments never stand on a tape. */
  readonly operands: readonly Operand[];
  /** One per scalar argument of the kernel, in the table's order. */
  readonly scalars: readonly ScalarOperand[];
  readonly phase: Phase;
  /** Layer or node it came from, for messages and profiles. */
  readonly label: string;
}

/** Spaces and scalars are shared by all tapes of a job; `ops` differ by batch size. */
export interface Tape {
  readonly ops: readonly TapeOp[];
}

/**
 * A run-time scalar. After each step the executor applies its rule: `constant`, `increment` (adds `by`),
 * `multiply` (times `by`). Float64 arithmetic; converted to the kernel's scalar type at the call.
 */
export interface RuntimeScalar {
  readonly name: string;
  readonly rule: 'constant' | 'increment' | 'multiply';
  readonly by: number;
}

/**
 * A local job as a program: `before` once, then for every batch `full` (or `tail` for a short last batch), then `after` once.
 * Plain SGD, momentum, Adam, per-example clipping, Fisher and evaluation are all of this form.
 */
export interface JobProgram {
  readonly spaces: readonly Space[];
  readonly scalars: readonly RuntimeScalar[];
  readonly batchSize: number;
  /** Size of the short last batch; 0 = there is none (or it is dropped). */
  readonly tailSize: number;
  readonly before: Tape;
  readonly full: Tape;
  readonly tail: Tape;
  readonly after: Tape;
}

const kMagic = 0x68656464;
const kVersion = 1;
const kRules = ['constant', 'increment', 'multiply'] as const;
const kRoles: readonly SpaceRole[] = [
  'arena',
  'slot',
  'gradient',
  'state',
  'const',
  'examples',
  'labels',
  'index',
  'totals',
];
const kDtypes: readonly Dtype[] = ['f32', 'f64', 'u8', 'i8', 'u16', 'i32', 'u32'];

/**
 * Flat form for the native executor, float64 words:
 * `magic, version, batchSize, tailSize, #spaces, (role, dtype, length)*, #scalars, (rule, by)*`, then the four tapes
 * before, full, tail, after, each `#ops, (kernel, (space, offset, length)*, (0, literal | 1, runtime index)*)*`,
 * operand and scalar counts being those of the kernel's table entry.
 */
export function encodeJobProgram(program: JobProgram): Float64Array {
  const words: number[] = [kMagic, kVersion, program.batchSize, program.tailSize, program.spaces.length];
  for (const space of program.spaces)
    words.push(kRoles.indexOf(space.role), kDtypes.indexOf(space.dtype), space.length);
  words.push(program.scalars.length);
  for (const scalar of program.scalars) words.push(kRules.indexOf(scalar.rule), scalar.by);
  for (const tape of [program.before, program.full, program.tail, program.after]) {
    words.push(tape.ops.length);
    for (const op of tape.ops) pushOp(words, op);
  }
  return Float64Array.from(words);
}

function pushOp(words: number[], op: TapeOp): void {
  const { args } = specs[op.kernel];
  const vectors = args.filter((arg) => arg.kind === 'vec').length;
  const scalars = args.filter((arg) => arg.kind === 'scalar').length;
  if (op.operands.length !== vectors || op.scalars.length !== scalars || args.length !== vectors + scalars)
    throw new RangeError(`tape op ${op.kernel} at ${op.label}: operands do not match the kernel table`);
  words.push(kernelNames.indexOf(op.kernel));
  for (const operand of op.operands) words.push(operand.space, operand.offset, operand.length);
  for (const value of op.scalars)
    if ('literal' in value) words.push(0, value.literal);
    else words.push(1, value.runtime);
}
