import type { Metrics } from '../federation/events.js';

/** What to do to the file so that it holds the table: cut it at `at` bytes and write `text` there. */
export interface CsvEdit {
  at: number;
  text: string;
  /**
   * Columns the rows already in the file lack: replace the header (its first `oldHeaderBytes` bytes) with `header` and
   * append `padding` to every row before applying the edit. `at` counts bytes after that. Rare: a metric seen for the
   * first time.
   */
  widen?: { oldHeaderBytes: number; header: string; padding: string };
}

/** Turns rounds into rows. Holds the header and the last row only, so it does not grow with the run. */
export interface CsvTable {
  /** Adds a round's metrics; a second call for the last round completes its row. */
  add(round: number, time: number, metrics: Metrics): CsvEdit;
}

const NEWLINE = '\r\n';
const utf8 = new TextEncoder();
const sizeOf = (text: string): number => utf8.encode(text).length;

/** RFC 4180: quoted when it holds a comma, a quote or a line break, quotes doubled. */
export function csvCell(text: string): string {
  return /[",\r\n]/.test(text) ? `"${text.replaceAll('"', '""')}"` : text;
}

/**
 * The table of `metrics.csv`: `round`, `time`, then one column a metric in the order they first appear, one row a round
 * (RFC 4180, lines end in CR LF). An empty cell was not measured; NaN, Infinity and -Infinity are spelt out.
 */
export function createCsvTable(): CsvTable {
  const columns: string[] = [];
  let header = '';
  let rows = 0;
  let last: { round: number; start: number; cells: Map<string, number>; time: number } | undefined;
  let size = 0;

  return {
    add(round, time, metrics) {
      const fresh = Object.keys(metrics).filter((name) => !columns.includes(name));
      const oldHeaderBytes = sizeOf(header);
      const first = header === '';
      let widen: CsvEdit['widen'];
      if (fresh.length > 0 || first) {
        columns.push(...fresh);
        header = ['round', 'time', ...columns].map(csvCell).join(',') + NEWLINE;
        if (!first) {
          const padding = ','.repeat(fresh.length);
          widen = { oldHeaderBytes, header, padding };
          const growth = sizeOf(header) - oldHeaderBytes;
          size += growth + rows * padding.length;
          if (last !== undefined) last.start += growth + (rows - 1) * padding.length;
        }
      }

      const sameRow = last?.round === round;
      const start = sameRow && last !== undefined ? last.start : size;
      const cells = sameRow && last !== undefined ? last.cells : new Map<string, number>();
      for (const [name, value] of Object.entries(metrics)) cells.set(name, value);
      const values = columns.map((name) => (cells.has(name) ? String(cells.get(name)) : ''));
      const row = [String(round), String(time), ...values].join(',') + NEWLINE;

      last = { round, start, cells, time };
      if (!sameRow) rows++;
      const text = first ? header + row : row;
      size = start + sizeOf(text);
      if (first) last.start = sizeOf(header);
      return { at: start, text, widen };
    },
  };
}

/** Applies an edit to the whole text of the file; the run folder does the same on disk. */
export function applyCsvEdit(bytes: Uint8Array, edit: CsvEdit): Uint8Array {
  const before = edit.widen ? widenRows(bytes, edit.widen) : bytes;
  const text = utf8.encode(edit.text);
  const result = new Uint8Array(edit.at + text.length);
  result.set(before.subarray(0, edit.at));
  result.set(text, edit.at);
  return result;
}

/** The file with its new header and every row padded. Cells below the header are numbers, so every CR LF ends a row. */
export function widenRows(bytes: Uint8Array, widen: NonNullable<CsvEdit['widen']>): Uint8Array {
  const rows = new TextDecoder().decode(bytes.subarray(widen.oldHeaderBytes));
  return utf8.encode(widen.header + rows.replaceAll(NEWLINE, widen.padding + NEWLINE));
}
