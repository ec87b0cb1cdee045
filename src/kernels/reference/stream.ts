import { philox4x32 } from './philox.js';

/** Where a stream of random blocks lies: key, first block, and the step and site words of the counter. */
export interface StreamAddress {
  key0: number;
  key1: number;
  blockLow: number;
  blockHigh: number;
  step: number;
  site: number;
}

/** Block `index` of the stream: Philox at counter (b lo, b hi, step, site) with b = (blockLow, blockHigh) + index mod 2^64. */
export function blockOf(address: StreamAddress, index: number): [number, number, number, number] {
  const low = (address.blockLow >>> 0) + index;
  const high = (address.blockHigh + Math.floor(low / 0x100000000)) >>> 0;
  return philox4x32(low >>> 0, high, address.step, address.site, address.key0, address.key1);
}

/** Word of element i of the stream: word i & 3 of block i >> 2, for elements 0 to n-1 in turn. */
export function* wordsOf(address: StreamAddress, n: number): Generator<number> {
  for (let i = 0; i < n; i += 4) yield* blockOf(address, i / 4).slice(0, n - i);
}
