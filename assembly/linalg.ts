// Symmetric positive definite systems in float64: every element is a chain over k that goes on from what stands in memory.
// One register tile of 4 x 4 does all the work; its rows are packed broadcasts, its columns packed vectors.

/** k of a panel, and rows packed at a time. */
const kPanel: usize = 64;
const kBlockRows: usize = 64;
/** [tile][k][4]: rows of a panel; [k][4]: columns of a strip; [4][4]: a tile at an edge. */
const packedRows: usize = memory.data(32768, 16);
const packedColumns: usize = memory.data(2048, 16);
const edge: usize = memory.data(128, 16);

/** Element a(p, i) of the rows of a panel: where it lies, how far the next p and i are in bytes (they may lie before it), its type. */
let rowsAt: usize = 0;
let rowsNextK: isize = 0;
let rowsNext: isize = 0;
let rowsSingle = false;
/** Row p of the columns of a panel. */
let columnsAt: usize = 0;
let columnsNextK: isize = 0;
let columnsSingle = false;

function setRows(at: usize, nextK: isize, next: isize, single: bool): void {
  rowsAt = at;
  rowsNextK = nextK;
  rowsNext = next;
  rowsSingle = single;
}

function setColumns(at: usize, nextK: isize, single: bool): void {
  columnsAt = at;
  columnsNextK = nextK;
  columnsSingle = single;
}

// @ts-ignore: decorator
@inline
function element(p: usize, single: bool): f64 {
  return single ? <f64>load<f32>(p) : load<f64>(p);
}

/** Packs rows [first, first + rows) as tiles, negated where `negate`, zeros behind the last. */
function packRows(first: usize, rows: usize, k: usize, negate: bool): void {
  let to = packedRows;
  for (let i: usize = 0; i < rows; i += 4)
    for (let p: usize = 0; p < k; p++)
      for (let r: usize = 0; r < 4; r++, to += 8) {
        if (i + r >= rows) store<f64>(to, 0);
        else {
          const v = element(rowsAt + <isize>p * rowsNextK + <isize>(first + i + r) * rowsNext, rowsSingle);
          store<f64>(to, negate ? -v : v);
        }
      }
}

function packColumns(first: usize, columns: usize, k: usize): void {
  let to = packedColumns;
  const shift: usize = columnsSingle ? 2 : 3;
  for (let p: usize = 0; p < k; p++, to += 32) {
    const from = columnsAt + <isize>p * columnsNextK + (first << shift);
    if (columns >= 4) {
      if (columnsSingle) {
        v128.store(to, f64x2.promote_low_f32x4(v128.load64_zero(from)));
        v128.store(to, f64x2.promote_low_f32x4(v128.load64_zero(from, 8)), 16);
      } else {
        v128.store(to, v128.load(from));
        v128.store(to, v128.load(from, 16), 16);
      }
    } else
      for (let j: usize = 0; j < 4; j++)
        store<f64>(to + (j << 3), j < columns ? element(from + (j << shift), columnsSingle) : 0);
  }
}

/** c[4, 4] += a b over k packed rows and columns; rows of c are `step` bytes apart. */
function addTile(c: usize, step: usize, a: usize, k: usize): void {
  const c1 = c + step;
  const c2 = c1 + step;
  const c3 = c2 + step;
  let s00 = v128.load(c);
  let s01 = v128.load(c, 16);
  let s10 = v128.load(c1);
  let s11 = v128.load(c1, 16);
  let s20 = v128.load(c2);
  let s21 = v128.load(c2, 16);
  let s30 = v128.load(c3);
  let s31 = v128.load(c3, 16);
  let b = packedColumns;
  for (const end = a + (k << 5); a < end; a += 32, b += 32) {
    const b0 = v128.load(b);
    const b1 = v128.load(b, 16);
    const a0 = v128.load64_splat(a);
    s00 = f64x2.add(s00, f64x2.mul(a0, b0));
    s01 = f64x2.add(s01, f64x2.mul(a0, b1));
    const a1 = v128.load64_splat(a, 8);
    s10 = f64x2.add(s10, f64x2.mul(a1, b0));
    s11 = f64x2.add(s11, f64x2.mul(a1, b1));
    const a2 = v128.load64_splat(a, 16);
    s20 = f64x2.add(s20, f64x2.mul(a2, b0));
    s21 = f64x2.add(s21, f64x2.mul(a2, b1));
    const a3 = v128.load64_splat(a, 24);
    s30 = f64x2.add(s30, f64x2.mul(a3, b0));
    s31 = f64x2.add(s31, f64x2.mul(a3, b1));
  }
  v128.store(c, s00);
  v128.store(c, s01, 16);
  v128.store(c1, s10);
  v128.store(c1, s11, 16);
  v128.store(c2, s20);
  v128.store(c2, s21, 16);
  v128.store(c3, s30);
  v128.store(c3, s31, 16);
}

/** Part of a tile: of row r the columns from max(0, diagonal + r) on. */
function addPart(c: usize, step: usize, a: usize, k: usize, rows: usize, columns: usize, diagonal: isize): void {
  memory.fill(edge, 0, 128);
  for (let r: usize = 0; r < rows; r++)
    for (let j = <usize>max<isize>(0, diagonal + <isize>r); j < columns; j++)
      store<f64>(edge + (r << 5) + (j << 3), load<f64>(c + r * step + (j << 3)));
  addTile(edge, 32, a, k);
  for (let r: usize = 0; r < rows; r++)
    for (let j = <usize>max<isize>(0, diagonal + <isize>r); j < columns; j++)
      store<f64>(c + r * step + (j << 3), load<f64>(edge + (r << 5) + (j << 3)));
}

/** c[i, j] += sum over p < k of a(p, i) * row(p)[j], of the upper triangle alone where `upper`; k is at most kPanel. */
function addPanel(c: usize, step: usize, rows: usize, columns: usize, k: usize, upper: bool, negate: bool): void {
  for (let first: usize = 0; first < rows; first += kBlockRows) {
    const blockRows = min(rows - first, kBlockRows);
    packRows(first, blockRows, k, negate);
    for (let j: usize = upper ? first : 0; j < columns; j += 4) {
      const count = min<usize>(columns - j, 4);
      packColumns(j, count, k);
      for (let r: usize = 0; r < blockRows; r += 4) {
        const i = first + r;
        const diagonal: isize = upper ? <isize>i - <isize>j : -4;
        if (diagonal >= <isize>count) break;
        const to = c + i * step + (j << 3);
        const tile = packedRows + ((r * k) << 3);
        if (blockRows - r >= 4 && count == 4 && diagonal <= -3) addTile(to, step, tile, k);
        else addPart(to, step, tile, k, min<usize>(blockRows - r, 4), count, diagonal);
      }
    }
  }
}

/**
 * Substitution in k rows of right sides at `x`, the next row `next` bytes on: row t becomes (row(t) - sum over s < t of a(s, t) * row(s))
 * / a(t, t), with a as `setRows` has it; k is at most kPanel.
 */
function substitute(x: usize, next: isize, columns: usize, k: usize): void {
  packRows(0, k, k, true);
  setColumns(x, next, false);
  for (let j: usize = 0; j < columns; j += 4) {
    const count = min<usize>(columns - j, 4);
    packColumns(j, count, k);
    for (let t: usize = 0; t < k; t += 4) {
      const rows = min<usize>(k - t, 4);
      const strip = packedColumns + (t << 5);
      const tile = packedRows + ((t * k) << 3);
      if (t > 0) {
        memory.copy(edge, strip, rows << 5);
        addTile(edge, 32, tile, t);
        memory.copy(strip, edge, rows << 5);
      }
      const corner = tile + (t << 5);
      for (let r: usize = 0; r < rows; r++) {
        const to = strip + (r << 5);
        let low = v128.load(to);
        let high = v128.load(to, 16);
        for (let s: usize = 0; s < r; s++) {
          const a = v128.load64_splat(corner + (s << 5) + (r << 3));
          low = f64x2.add(low, f64x2.mul(a, v128.load(strip + (s << 5))));
          high = f64x2.add(high, f64x2.mul(a, v128.load(strip + (s << 5), 16)));
        }
        const at = <isize>(t + r);
        const pivot = v128.load64_splat(rowsAt + at * rowsNextK + at * rowsNext);
        v128.store(to, f64x2.div(low, pivot));
        v128.store(to, f64x2.div(high, pivot), 16);
      }
    }
    for (let t: usize = 0; t < k; t++) memory.copy(x + <isize>t * next + (j << 3), packedColumns + (t << 5), count << 3);
  }
}

export function accumulateGramF64(gram: usize, x: usize, rows: usize, width: u32): void {
  const row = <usize>width << 2;
  for (let first: usize = 0; first < rows; first += kPanel) {
    const from = x + first * row;
    setRows(from, row, 4, true);
    setColumns(from, row, true);
    addPanel(gram, <usize>width << 3, width, width, min(rows - first, kPanel), true, false);
  }
}

export function addProductF64(c: usize, a: usize, b: usize, m: u32, n: u32, k: u32): void {
  for (let first: usize = 0; first < <usize>k; first += kPanel) {
    setRows(a + (first << 3), 8, <usize>k << 3, false);
    setColumns(b + ((first * n) << 2), <usize>n << 2, true);
    addPanel(c, <usize>n << 3, m, n, min(<usize>k - first, kPanel), false, false);
  }
}

/** Factors the square of k rows at a, row by row. Returns k, or the row whose pivot is too small. */
function factorCorner(a: usize, row: usize, k: usize, leastPivot: f64): usize {
  for (let p: usize = 0; p < k; p++) {
    const u = a + p * row;
    const v = load<f64>(u + (p << 3));
    if (!(v > leastPivot)) return p;
    const pivot = sqrt<f64>(v);
    store<f64>(u + (p << 3), pivot);
    for (let j = p + 1; j < k; j++) store<f64>(u + (j << 3), load<f64>(u + (j << 3)) / pivot);
    for (let i = p + 1; i < k; i++) {
      const c = a + i * row;
      const factor = -load<f64>(u + (i << 3));
      const factors = f64x2.splat(factor);
      let j = i;
      for (; j + 2 <= k; j += 2) {
        const at = c + (j << 3);
        v128.store(at, f64x2.add(v128.load(at), f64x2.mul(factors, v128.load(u + (j << 3)))));
      }
      if (j < k) store<f64>(c + (j << 3), load<f64>(c + (j << 3)) + factor * load<f64>(u + (j << 3)));
    }
  }
  return k;
}

export function factorCholeskyF64(a: usize, n: u32, leastPivot: f64): u32 {
  const size = <usize>n;
  const row = size << 3;
  for (let first: usize = 0; first < size; first += kPanel) {
    const k = min(size - first, kPanel);
    const corner = a + first * row + (first << 3);
    const done = factorCorner(corner, row, k, leastPivot);
    if (done < k) return <u32>(first + done);
    const rest = size - first - k;
    if (rest == 0) break;
    const right = corner + (k << 3);
    setRows(corner, row, 8, false);
    substitute(right, row, rest, k);
    setRows(right, row, 8, false);
    setColumns(right, row, false);
    addPanel(right + k * row, row, rest, rest, k, true, true);
  }
  return n;
}

export function solveCholeskyF64(x: usize, factor: usize, m: usize, n: u32): void {
  const size = <usize>n;
  const row = size << 3;
  const next = m << 3;
  for (let first: usize = 0; first < size; first += kPanel) {
    const k = min(size - first, kPanel);
    const corner = factor + first * row + (first << 3);
    const rows = x + first * next;
    setRows(corner, row, 8, false);
    substitute(rows, next, m, k);
    setRows(corner + (k << 3), row, 8, false);
    setColumns(rows, next, false);
    addPanel(rows + k * next, next, size - first - k, m, k, false, true);
  }
  for (let end = size; end > 0; ) {
    const k = min(end, kPanel);
    const last = end - 1;
    // a(p, t) = factor[last - t, last - p]
    setRows(factor + last * row + (last << 3), -8, -<isize>row, false);
    substitute(x + last * next, -<isize>next, m, k);
    end -= k;
    setRows(factor + (last << 3), -8, row, false);
    setColumns(x + last * next, -<isize>next, false);
    addPanel(x, next, end, m, k, false, true);
  }
}
