import picocolors from 'picocolors';
import { describe, expect, it } from 'vitest';
import { plainTable } from '../../src/cli/plain-table.js';

const plain = picocolors.createColors(false);
const coloured = picocolors.createColors(true);

describe('a table without a frame', () => {
  it('has texts at the left and numbers at the right, two spaces apart, and no spaces at the end', () => {
    const rows = [
      ['embedding', 'F32', '1', '12,345'],
      ['w', 'BF16', '−1.00e−200', ''],
    ];
    expect(plainTable(['tensor', 'type', 'norm', 'NaN'], rows, 2, plain).split('\n')).toEqual([
      'tensor     type        norm     NaN',
      'embedding  F32            1  12,345',
      'w          BF16  −1.00e−200',
    ]);
  });

  it('counts places on the terminal: none for colours and combining marks, two for wide characters', () => {
    const rows = [
      [coloured.red('重み'), '1'],
      ['e\u0301', '2'],
      ['abcd', '3'],
    ];
    expect(plainTable(['', 'n'], rows, 1, plain).split('\n')).toEqual([
      '      n',
      `${coloured.red('重み')}  1`,
      'e\u0301     2',
      'abcd  3',
    ]);
  });

  it('has any number of rows, also more than a call can have arguments', () => {
    const rows = Array.from({ length: 200_000 }, (_, i) => [`t${i}`, String(i)]);
    const lines = plainTable(['tensor', 'n'], rows, 1, plain).split('\n');
    expect(lines).toHaveLength(200_001);
    expect(lines[200_000]).toBe('t199999  199999');
  });
});
