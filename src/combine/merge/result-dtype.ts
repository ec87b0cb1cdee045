/** The types in which a merged tensor is computed and stored, where nobody says. */
import { dtypeBits, type StoredDtype } from '../../tensor/safetensors/dtype.js';

const TASK_VECTOR_METHODS: ReadonlySet<string> = new Set([
  'task_arithmetic',
  'ties',
  'dare_linear',
  'dare_ties',
  'della',
  'della_linear',
  'breadcrumbs',
  'breadcrumbs_ties',
]);

/**
 * Whether the reference tool counts a method among those of task vectors: results have the type of the base, and embeddings of other
 * sizes are cut to it.
 */
export function isTaskVectorMethod(name: string): boolean {
  return TASK_VECTOR_METHODS.has(name);
}

/**
 * The type that inputs are rounded to first: the base's for task vectors, else the smallest float type that holds the values of all.
 *
 * @param dtypes - float types, of each input.
 * @param base - index of the base, or -1.
 */
export function mathDtype(method: string, dtypes: readonly StoredDtype[], base: number): StoredDtype {
  if (base >= 0 && isTaskVectorMethod(method)) return dtypes[base];
  return dtypes.reduce((a, b) => {
    if (a === b) return a;
    if (dtypeBits[a] !== dtypeBits[b]) return dtypeBits[a] > dtypeBits[b] ? a : b;
    return dtypeBits[a] === 8 ? 'F16' : 'F32';
  });
}

/**
 * The type of the result: that of the mathematics, but for `slerp`, which interpolates unrounded and gives the base's; and but for
 * `arcee_fusion` in strict mode, which gives float32 as the reference tool does, whatever `dtype` a recipe has.
 *
 * @param wanted - `dtype` of the recipe.
 */
export function resultDtype(
  method: string,
  dtypes: readonly StoredDtype[],
  base: number,
  { wanted, strict = false }: { readonly wanted?: StoredDtype; readonly strict?: boolean } = {},
): StoredDtype {
  if (strict && method === 'arcee_fusion') return 'F32';
  if (wanted !== undefined) return wanted;
  return base >= 0 && method === 'slerp' ? dtypes[base] : mathDtype(method, dtypes, base);
}
