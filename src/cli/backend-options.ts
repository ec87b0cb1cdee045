/** Which kernels a verb computes with. */
import { Option } from 'commander';
import { UsageError } from './errors.js';

export interface BackendOptions {
  backend?: 'auto' | 'native' | 'wasm' | 'reference';
  isa?: string;
}

export function backendOption(): Option {
  return new Option('--backend <name>', 'kernels to use; default: HEDDLE_BACKEND, then the fastest').choices([
    'auto',
    'native',
    'wasm',
    'reference',
  ]);
}

export function isaOption(): Option {
  return new Option(
    '--isa <name>',
    'native instruction set to force; default: HEDDLE_ISA, then the widest',
  ).choices(['base', 'avx2', 'avx512', 'neon']);
}

/** The choice among other options. @throws {UsageError} for an instruction set of a back end that has none. */
export function backendChoice({ backend, isa }: BackendOptions): BackendOptions {
  if (isa !== undefined && (backend === 'wasm' || backend === 'reference'))
    throw new UsageError(
      `--isa goes with native kernels, and --backend is ${backend}`,
      'leave --isa out, or give --backend native',
    );
  return { backend, isa };
}
