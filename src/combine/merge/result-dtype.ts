/** The type in which a merged tensor is stored, where nobody says. */
import { dtypeBits, type StoredDtype } from '../../tensor/safetensors/dtype.js';

/** Methods that add task vectors to the base; their results are of the base's type. */
const TASK_VECTOR_METHODS: readonly string[] = [
  'task_arithmetic',
  'ties',
  'dare_linear',
  'dare_ties',
  'della',
  'della_linear',
  'breadcrumbs',
  'breadcrumbs_ties',
];

/**
 * The base's type for task vectors, else the smallest float type that holds the values of all, as recipes have it.
 *
 * @param base - index of the base, or -1.
 */
export function resultDtype(method: string, dtypes: readonly StoredDtype[], base: number): StoredDtype {
  if (base >= 0 && TASK_VECTOR_METHODS.includes(method)) return dtypes[base];
  return dtypes.reduce((a, b) => {
    if (a === b) return a;
    if (dtypeBits[a] !== dtypeBits[b]) return dtypeBits[a] > dtypeBits[b] ? a : b;
    return dtypeBits[a] === 8 ? 'F16' : 'F32';
  });
}
