import { sha256Hex } from '../platform/hash.js';
import { version } from '../version.js';
import { type KernelName, kernelNames, specs } from './table.js';

let id: Promise<string> | undefined;

/**
 * What the kernels of this build promise, as 64 hexadecimal digits: SHA-256 over the package version and every
 * declaration of the table (name, arguments, result, class of equality). Two runs whose ids differ may differ in bits.
 */
export function kernelBuildId(): Promise<string> {
  id ??= sha256Hex(new TextEncoder().encode(JSON.stringify([version, kernelNames.map(declaration)])));
  return id;
}

// Cases and bench sizes say how a kernel is tested, not what it does.
function declaration(name: KernelName): unknown {
  const { args, returns, equality } = specs[name];
  return [
    name,
    args.map((arg) =>
      arg.kind === 'scalar'
        ? [arg.kind, arg.name, arg.dtype]
        : [arg.kind, arg.name, arg.dtype, arg.length, arg.kind === 'vec' ? [arg.access, arg.optional] : []],
    ),
    returns,
    equality,
  ];
}
