/** `heddle/kernels`: back ends and their kernels by themselves. */

export { type RandomAddress, type RandomKey, randomKey } from './address.js';
export type { AnyArray, KernelBuffer } from './buffer.js';
export type { KernelFunctions } from './generated/interface.js';
export type { BackendName, BoundKernel, Kernels, Profile } from './kernels.js';
export { createReference } from './reference.js';
export {
  availableBackends,
  type BackendInfo,
  type BackendOptions,
  loadBackend,
  resolveBackend,
} from './select.js';
export { type KernelName, kernelNames, specs } from './table.js';
