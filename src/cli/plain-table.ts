import Table from 'cli-table3';
import type { Colors } from './output.js';

/** A table without a frame; the first `texts` columns are left-aligned, the rest are numbers. */
export function plainTable(
  head: readonly string[],
  rows: readonly string[][],
  texts: number,
  colors: Colors,
): string {
  const none = [
    'top',
    'top-mid',
    'top-left',
    'top-right',
    'bottom',
    'bottom-mid',
    'bottom-left',
    'bottom-right',
  ];
  const inner = ['left', 'left-mid', 'mid', 'mid-mid', 'right', 'right-mid'];
  const table = new Table({
    head: head.map((title) => colors.bold(title)),
    colAligns: head.map((_, i) => (i < texts ? 'left' : 'right')),
    style: { head: [], border: [], compact: true, 'padding-left': 0, 'padding-right': 2 },
    chars: Object.fromEntries([...none, ...inner, 'middle'].map((name) => [name, ''])),
  });
  table.push(...rows);
  return table.toString().replace(/ +$/gm, '');
}
