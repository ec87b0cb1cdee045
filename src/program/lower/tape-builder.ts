/** Collects kernel calls on regions without addresses, then plans the arenas and writes the tape. */
import type { Dtype } from '../../kernels/define.js';
import type { KernelName } from '../../kernels/table.js';
import type { Phase, RuntimeScalar, ScalarOperand, Space, SpaceRole, TapeOp } from '../tape.js';
import type { EmitOptions, Region } from './context.js';
import { type Lifetime, planArena } from './planner.js';

/** Spaces and run-time scalars that the tapes of one job share. */
export class JobSpaces {
  readonly spaces: Space[] = [];
  readonly scalars: RuntimeScalar[] = [];
  readonly #spaceByName = new Map<string, number>();
  readonly #scalarByName = new Map<string, number>();

  /** Number of a space, made at its first mention. An arena grows to the largest length asked for. */
  space(name: string, role: SpaceRole, dtype: Dtype, length: number): number {
    const known = this.#spaceByName.get(name);
    if (known === undefined) {
      this.#spaceByName.set(name, this.spaces.length);
      return this.spaces.push({ name, role, dtype, length }) - 1;
    }
    if (length > this.spaces[known].length) this.spaces[known] = { ...this.spaces[known], length };
    return known;
  }

  find(name: string): number {
    const known = this.#spaceByName.get(name);
    if (known === undefined) throw new RangeError(`no space is called ${name}`);
    return known;
  }

  /** Operand scalar for a run-time scalar, made at its first mention. */
  runtime(name: string, rule: RuntimeScalar['rule'] = 'constant', by = 0): ScalarOperand {
    let known = this.#scalarByName.get(name);
    if (known === undefined) {
      known = this.scalars.push({ name, rule, by }) - 1;
      this.#scalarByName.set(name, known);
    }
    return { runtime: known };
  }
}

interface Call {
  readonly kernel: KernelName;
  readonly operands: readonly Region[];
  readonly scalars: readonly ScalarOperand[];
  readonly phase: Phase;
  readonly label: string;
  readonly reuse: readonly number[];
}

interface Scratch {
  readonly dtype: Dtype;
  readonly length: number;
}

export interface BuiltTape {
  readonly ops: TapeOp[];
  /** Bytes of all arenas. */
  readonly arenaBytes: number;
}

const kBytes: Readonly<Record<Dtype, number>> = { f32: 4, f64: 8, u8: 1, i8: 1, u16: 2, i32: 4, u32: 4 };

export class TapeBuilder {
  readonly #calls: Call[] = [];
  readonly #scratch: Scratch[] = [];

  constructor(readonly job: JobSpaces) {}

  scratch(dtype: Dtype, length: number): Region {
    return { scratch: this.#scratch.push({ dtype, length }) - 1, length };
  }

  /** A place in a space that exists. Lengths of `examples` and `labels` are nominal (see `Operand`). */
  place(space: string, offset = 0, length?: number): Region {
    const { role, length: whole } = this.job.spaces[this.job.find(space)];
    const open = role === 'examples' || role === 'labels';
    return { space, offset, length: open ? 1 : (length ?? whole) };
  }

  call(
    kernel: KernelName,
    operands: readonly Region[],
    scalars: readonly ScalarOperand[],
    phase: Phase,
    label: string,
    options: EmitOptions = {},
  ): void {
    this.#calls.push({ kernel, operands, scalars, phase, label, reuse: options.reuse ?? [] });
  }

  build(): BuiltTape {
    const owner = this.#shareMemory();
    const lifetimes = this.#lifetimes(owner);
    const offsetOf = new Map<number, number>();
    let arenaBytes = 0;
    const dtypes = new Set(this.#scratch.map((scratch) => scratch.dtype));
    for (const dtype of dtypes) {
      const ids = [...lifetimes.keys()].filter((id) => this.#scratch[id].dtype === dtype);
      const plan = planArena(ids.map((id) => lifetimes.get(id) as Lifetime));
      ids.forEach((id, i) => {
        offsetOf.set(id, plan.offsets[i]);
      });
      this.job.space(arenaName(dtype), 'arena', dtype, plan.length);
      arenaBytes += plan.length * kBytes[dtype];
    }
    const address = (region: Region) => {
      if ('space' in region) {
        const { space, offset, length } = region;
        return { space: this.job.find(space), offset, length };
      }
      if (region.length === 0) return { space: 0, offset: 0, length: 0 };
      const id = owner(region.scratch);
      const space = this.job.find(arenaName(this.#scratch[id].dtype));
      return { space, offset: offsetOf.get(id) ?? 0, length: region.length };
    };
    const ops = this.#calls.map(({ kernel, operands, scalars, phase, label }): TapeOp => {
      return { kernel, operands: operands.map(address), scalars, phase, label };
    });
    const isIdle = ({ kernel, operands: [dst, src] }: TapeOp) =>
      kernel === 'copyF32' && dst.space === src.space && dst.offset === src.offset;
    return { ops: ops.filter((op) => !isIdle(op)), arenaBytes };
  }

  /** Lets the result of a call take over the memory of an operand that no later call reads. */
  #shareMemory(): (id: number) => number {
    const parent = this.#scratch.map((_, id) => id);
    const owner = (id: number): number => (parent[id] === id ? id : owner(parent[id]));
    const last = new Map<number, number>();
    const first = new Map<number, number>();
    this.#calls.forEach(({ operands }, at) => {
      for (const region of operands) {
        if (!('scratch' in region)) continue;
        last.set(region.scratch, at);
        if (!first.has(region.scratch)) first.set(region.scratch, at);
      }
    });
    const lastOf = new Map(last);
    this.#calls.forEach(({ operands: [result, ...rest], reuse }, at) => {
      if (result === undefined || !('scratch' in result) || first.get(result.scratch) !== at) return;
      for (const position of reuse) {
        const source = rest[position - 1];
        if (source === undefined || !('scratch' in source) || source.length !== result.length) continue;
        const root = owner(source.scratch);
        if (owner(result.scratch) === root || lastOf.get(root) !== at) continue;
        if (this.#scratch[root].length !== result.length) continue;
        parent[result.scratch] = root;
        lastOf.set(root, Math.max(at, last.get(result.scratch) ?? at));
        return;
      }
    });
    return owner;
  }

  #lifetimes(owner: (id: number) => number): Map<number, Lifetime> {
    const found = new Map<number, Lifetime>();
    this.#calls.forEach(({ operands }, at) => {
      for (const region of operands) {
        if (!('scratch' in region) || region.length === 0) continue;
        const id = owner(region.scratch);
        const known = found.get(id);
        const { length } = this.#scratch[id];
        found.set(id, { length, first: known?.first ?? at, last: at });
      }
    });
    return found;
  }
}

const arenaName = (dtype: Dtype): string => `arena${dtype[0].toUpperCase()}${dtype.slice(1)}`;
