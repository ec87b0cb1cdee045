import { randomKey } from '../../kernels/address.js';
import type { TensorContext } from './method.js';
import type { MaskAddress } from './sparsifiers.js';

/** FNV-1a over the UTF-8 bytes of a name, 64 bits. */
export function hashName(name: string): bigint {
  let hash = 0xcbf29ce484222325n;
  for (const byte of new TextEncoder().encode(name))
    hash = ((hash ^ BigInt(byte)) * 0x100000001b3n) & 0xffffffffffffffffn;
  return hash;
}

/** Where the mask of input k lies: a function of seed, round, name of the tensor and index of the input alone. */
export const maskAddress = (context: TensorContext, k: number): MaskAddress => ({
  ...randomKey(context.seed, { purpose: 'merge', round: context.round, entity: hashName(context.tensor) }),
  site: k,
});
