/** Sizes and argument groups that several families share. */
import { type Case, scalar } from '../define.js';

/** Where a stream of random blocks starts: key, first block, and the step and site words of the counter. */
export const address = [
  scalar('key0', 'u32', 0x243f6a88),
  scalar('key1', 'u32', 0x85a308d3),
  scalar('blockLow', 'u32', 5),
  scalar('blockHigh', 'u32', 0),
  scalar('step', 'u32', 3),
  scalar('site', 'u32', 7),
];

export const kMebi16 = [{ n: 1 << 24 }];

export const stream = (bytes: string, bound: 'copy' | 'read' = 'copy') => ({ bench: kMebi16, bytes, bound });

export const rowCases: Case[] = [
  { rows: 0, cols: 5 },
  { rows: 1, cols: 1 },
  { rows: 3, cols: 10 },
  { rows: 10, cols: 16 },
  { rows: 7, cols: 17 },
  { rows: 5, cols: 200 },
  { rows: 2, cols: 4099 },
];
