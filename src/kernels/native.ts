/** The native back end: bound functions of the Node addon on ordinary JavaScript memory. */
import { HeddleError } from '../errors.js';
import { heapBuffer } from './allocate.js';
import { type AnyArray, arrayOf, type KernelBuffer } from './buffer.js';
import { arrayTypes } from './checked.js';
import type { Dtype } from './define.js';
import { BackendUnavailableError, NativeKernelError } from './errors.js';
import type { KernelFunctions } from './generated/interface.js';
import type { ArrayOfDtype, BoundKernel, Kernels, Profile } from './kernels.js';
import { type KernelName, kernelNames, specs } from './table.js';

export interface NativeLevel {
  name: string;
  profile: Profile;
  runsHere: boolean;
}

/** What the addon exports (native/addon/addon.cpp); jobs are in train/native-runner.ts. */
export interface NativeAddon {
  levels(): NativeLevel[];
  kernels(level: string): Record<KernelName, (...args: unknown[]) => number | undefined>;
  misalignment(array: Uint8Array): number;
}

/** The level that `isa` (or `HEDDLE_ISA`) names, or the fastest that runs here. Throws where it cannot run. */
export function chooseLevel(addon: NativeAddon, isa?: string): NativeLevel {
  const levels = addon.levels();
  const running = levels.filter((level) => level.runsHere);
  const chosen = isa === undefined ? running.at(-1) : levels.find((level) => level.name === isa);
  if (chosen?.runsHere) return chosen;
  throw new BackendUnavailableError(
    'native',
    [
      {
        what: isa === undefined ? 'any instruction set' : `instruction set ${JSON.stringify(isa)}`,
        why: chosen
          ? 'this processor cannot run it'
          : `the addon has ${levels.map(({ name }) => name).join(', ')}`,
      },
    ],
    `choose one of ${running.map((level) => level.name).join(', ')}, or leave the instruction set open`,
  );
}

export function createNative(addon: NativeAddon, isa?: string): Kernels {
  const level = chooseLevel(addon, isa);
  const bodies = addon.kernels(level.name);
  const functions = Object.fromEntries(
    kernelNames.map((name) => [name, wrap(bodies[name])]),
  ) as unknown as KernelFunctions;
  return {
    ...functions,
    backend: 'native',
    isa: level.name,
    profile: level.profile,
    alloc: <D extends Dtype>(length: number, dtype?: D) =>
      heapBuffer(length, dtype ?? 'f32', (bytes) =>
        alignedArray(addon, length, bytes, dtype ?? 'f32'),
      ) as KernelBuffer<ArrayOfDtype[D] & Float32Array>,
    bind: (name, operands) => bind(name, bodies[name], operands),
    dispose: () => {},
  };
}

function wrap(body: (...args: unknown[]) => number | undefined): (...args: unknown[]) => number | undefined {
  return (...args) => {
    try {
      return body(...args.map(plain));
    } catch (error) {
      throw typedError(error);
    }
  };
}

function plain(value: unknown): unknown {
  if (typeof value !== 'object' || value === null || ArrayBuffer.isView(value)) return value;
  if (Array.isArray(value)) return value.map(plain);
  return 'view' in value ? arrayOf(value as KernelBuffer<AnyArray>) : value;
}

function typedError(error: unknown): unknown {
  if (error instanceof HeddleError || !(error instanceof Error)) return error;
  const code = (error as NodeJS.ErrnoException).code;
  return code?.startsWith('ERR_') ? new NativeKernelError(code, error.message, error) : error;
}

// External memory is refused by some hosts (Electron), so an ordinary buffer is made 64 bytes too long and cut.
function alignedArray(addon: NativeAddon, length: number, byteLength: number, dtype: Dtype): AnyArray {
  const bytes = new Uint8Array(byteLength + 64);
  const offset = (64 - addon.misalignment(bytes)) % 64;
  return new arrayTypes[dtype](bytes.buffer, offset, length);
}

function bind(
  name: KernelName,
  body: (...args: unknown[]) => number | undefined,
  operands: readonly AnyArray[],
): BoundKernel {
  const { args } = specs[name];
  const values: unknown[] = [];
  const scalarAt: number[] = [];
  let operand = 0;
  args.forEach((arg, i) => {
    if (arg.kind === 'scalar') scalarAt.push(i);
    else values[i] = operands[operand++];
  });
  return (scalars) => {
    for (let s = 0; s < scalarAt.length; s++) values[scalarAt[s]] = scalars[s];
    return body(...values) ?? 0;
  };
}
