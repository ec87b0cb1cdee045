import { parse } from 'csv-parse/sync';
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { applyCsvEdit, createCsvTable, csvCell } from '../../src/report/csv.js';

function write(rows: readonly { round: number; metrics: Record<string, number> }[]): {
  text: string;
  widenings: number;
} {
  const table = createCsvTable();
  let bytes = new Uint8Array();
  let widenings = 0;
  for (const { round, metrics } of rows) {
    const edit = table.add(round, 1.5, metrics);
    if (edit.widen) widenings++;
    bytes = applyCsvEdit(bytes, edit) as Uint8Array<ArrayBuffer>;
  }
  return { text: new TextDecoder().decode(bytes), widenings };
}

describe('metrics.csv', () => {
  it('is a header and one row a round, with empty cells for what was not measured', () => {
    const { text } = write([
      { round: 1, metrics: { 'train/loss': 2.5 } },
      { round: 2, metrics: { 'train/loss': 1.25, 'central-val/accuracy': 0.5 } },
      { round: 3, metrics: { 'central-val/accuracy': Number.NaN } },
    ]);
    expect(text).toBe(
      'round,time,train/loss,central-val/accuracy\r\n1,1.5,2.5,\r\n2,1.5,1.25,0.5\r\n3,1.5,,NaN\r\n',
    );
  });

  it('completes the last row when its round comes again', () => {
    const { text } = write([
      { round: 1, metrics: { a: 1 } },
      { round: 2, metrics: { a: 2 } },
      { round: 2, metrics: { b: 3 } },
    ]);
    expect(text).toBe('round,time,a,b\r\n1,1.5,1,\r\n2,1.5,2,3\r\n');
  });

  it('leaves the file alone while no new metric appears', () => {
    const rows = Array.from({ length: 20 }, (_, i) => ({ round: i, metrics: { a: i, b: i } }));
    expect(write(rows).widenings).toBe(0);
  });

  it('reads back with an RFC 4180 parser, whatever the names and numbers', () => {
    const name = fc.oneof(
      fc.constantFrom('a/b', 'x,y', 'q"q', 'line\r\nbreak', 'é', ' '),
      fc.string({ minLength: 1 }).filter((key) => key !== '__proto__'),
    );
    const row = fc.dictionary(name, fc.double(), { maxKeys: 5 });
    fc.assert(
      fc.property(fc.array(row, { minLength: 1, maxLength: 12 }), fc.boolean(), (rows, repeat) => {
        // With `repeat`, every second call completes the row before it.
        const calls = rows.map((metrics, i) => ({ round: repeat ? i >> 1 : i, metrics }));
        const expected = new Map<number, Record<string, number>>();
        for (const { round, metrics } of calls)
          expected.set(round, Object.assign(Object.create(null), expected.get(round), metrics));

        const [header, ...lines] = parse(write(calls).text, { recordDelimiter: '\r\n' }) as string[][];
        expect(header.slice(0, 2)).toEqual(['round', 'time']);
        expect(lines.map((cells) => Number(cells[0]))).toEqual([...expected.keys()]);
        for (const cells of lines) {
          const measured = expected.get(Number(cells[0])) ?? {};
          expect(cells).toHaveLength(header.length);
          for (const [i, column] of header.entries()) {
            if (i < 2) continue;
            const value = Object.hasOwn(measured, column) ? measured[column] : undefined;
            // `-0` is written as `0`: the sign of zero is no measurement.
            if (value === undefined) expect(cells[i]).toBe('');
            else expect(Number(cells[i]) === value || Number.isNaN(value)).toBe(true);
          }
        }
      }),
      { seed: 13, numRuns: 300 },
    );
  });

  it('quotes only the cells that need it', () => {
    expect([csvCell('a'), csvCell('a,b'), csvCell('a"b')]).toEqual(['a', '"a,b"', '"a""b"']);
  });
});
