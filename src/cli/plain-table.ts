import { stripVTControlCharacters } from 'node:util';
import type { Colors } from './output.js';

/** A table without a frame, of any number of rows; the first `texts` columns are left-aligned, the rest are numbers. */
export function plainTable(
  head: readonly string[],
  rows: readonly string[][],
  texts: number,
  colors: Colors,
): string {
  const lines = [head.map((title) => colors.bold(title)), ...rows];
  const widths = head.map((_, i) => lines.reduce((widest, row) => Math.max(widest, widthOf(row[i])), 0));
  const padded = (cell: string, i: number): string => {
    const space = ' '.repeat(widths[i] - widthOf(cell));
    return i < texts ? `${cell}${space}` : `${space}${cell}`;
  };
  return lines.map((row) => row.map(padded).join('  ').trimEnd()).join('\n');
}

/** Characters that take two places on a terminal, and marks that take none. */
const WIDE =
  /[\p{Script=Han}\p{Script=Hangul}\p{Script=Hiragana}\p{Script=Katakana}\p{Emoji_Presentation}\uff01-\uff60]/gu;
const NO_WIDTH = /[\p{Mn}\p{Me}\p{Cf}]/gu;

/** Places that a text takes on a terminal. */
function widthOf(text: string): number {
  const shown = stripVTControlCharacters(text);
  // Most are plain.
  if (/^[ -~]*$/.test(shown)) return shown.length;
  const characters = [...shown.replace(NO_WIDTH, '')];
  return characters.length + (shown.match(WIDE)?.length ?? 0);
}
