/** GPT-2 keeps queries, keys and values side by side in one tensor; its heads are units only once that is taken apart. */

interface Shaped {
  readonly shape: readonly number[];
  readonly values: Float32Array;
}

const fused = /^(.*\.attn\.c_attn)\.(weight|bias)$/;
const part = /^(.*\.attn\.c_attn)\.([qkv])\.(weight|bias)$/;

/** `c_attn.weight` [in, 3 n] becomes `c_attn.q.weight`, `.k.weight` and `.v.weight`, [in, n] each; so do biases. Others stay. */
export function splitFused<T extends Shaped>(tensors: ReadonlyMap<string, T>): Map<string, T> {
  const apart = new Map<string, T>();
  for (const [name, tensor] of tensors) {
    const [, head, kind] = fused.exec(name) ?? [];
    const columns = tensor.shape[tensor.shape.length - 1] ?? 0;
    if (head === undefined || columns % 3 !== 0) apart.set(name, tensor);
    else
      ['q', 'k', 'v'].forEach((letter, third) => {
        const width = columns / 3;
        const values = columnsOf(tensor.values, columns, third * width, width);
        const shape = [...tensor.shape.slice(0, -1), width];
        apart.set(`${head}.${letter}.${kind}`, { ...tensor, shape, values });
      });
  }
  return apart;
}

/** The inverse of `splitFused`. */
export function fuse<T extends Shaped>(tensors: ReadonlyMap<string, T>): Map<string, T> {
  const together = new Map<string, T>();
  for (const [name, tensor] of tensors) {
    const [, head, letter, kind] = part.exec(name) ?? [];
    if (head === undefined) together.set(name, tensor);
    else if (letter === 'q') {
      const parts = ['q', 'k', 'v'].flatMap((each) => tensors.get(`${head}.${each}.${kind}`) ?? []);
      together.set(`${head}.${kind}`, sideBySide(parts));
    }
  }
  return together;
}

/** `c_attn.q.weight` as it is called in a file. */
export function fusedName(name: string): string {
  return name.replace(part, '$1.$3');
}

function columnsOf(values: Float32Array, columns: number, start: number, width: number): Float32Array {
  const rows = values.length / columns;
  const out = new Float32Array(rows * width);
  for (let row = 0; row < rows; row++)
    out.set(values.subarray(row * columns + start, row * columns + start + width), row * width);
  return out;
}

function sideBySide<T extends Shaped>(parts: readonly T[]): T {
  const widths = parts.map(({ shape }) => shape[shape.length - 1]);
  const columns = widths.reduce((a, b) => a + b, 0);
  const rows = parts[0].values.length / widths[0];
  const values = new Float32Array(rows * columns);
  let at = 0;
  parts.forEach((one, k) => {
    for (let row = 0; row < rows; row++)
      values.set(one.values.subarray(row * widths[k], (row + 1) * widths[k]), row * columns + at);
    at += widths[k];
  });
  return { ...parts[0], shape: [...parts[0].shape.slice(0, -1), columns], values };
}
