/** A data set as the programs' spaces want it: stored bytes with scales and shifts, or float32 model values. */
import { channelsOf, type Dataset, gatherF32 } from '../data/dataset.js';
import { sharedF32 } from '../data/shared-memory.js';
import type { ExampleFormat } from '../program/step.js';

export interface ProgramExamples {
  readonly format: ExampleFormat;
  /** By space name: `examples`, `labels`, and for u8 `scales` and `shifts`. */
  readonly bindings: Readonly<Record<string, Float32Array | Uint8Array | Int32Array>>;
}

const known = new WeakMap<Dataset, ProgramExamples>();

/** u8 pixels stay bytes and are widened batch by batch; float32 data that is scaled or shifted is normalised once. */
export function programExamples(data: Dataset): ProgramExamples {
  let examples = known.get(data);
  if (!examples) {
    examples = data.x instanceof Uint8Array ? byteExamples(data, data.x) : floatExamples(data, data.x);
    known.set(data, examples);
  }
  return examples;
}

function byteExamples(data: Dataset, x: Uint8Array): ProgramExamples {
  const channels = channelsOf(data.shape);
  const scales = sharedF32(channels);
  const shifts = sharedF32(channels);
  for (let c = 0; c < channels; c++) {
    const std = data.std?.[c] ?? 1;
    scales[c] = data.scale / std;
    shifts[c] = data.mean === undefined ? 0 : -data.mean[c] / std;
  }
  return { format: { dtype: 'u8', channels }, bindings: { examples: x, labels: data.y, scales, shifts } };
}

function floatExamples(data: Dataset, x: Float32Array): ProgramExamples {
  const asStored = data.scale === 1 && data.mean === undefined && data.std === undefined;
  const indices = { length: data.size } as ArrayLike<number>;
  const examples = asStored
    ? x
    : gatherF32(
        data,
        Uint32Array.from(indices, (_, i) => i),
        sharedF32(x.length),
      );
  return { format: { dtype: 'f32' }, bindings: { examples, labels: data.y } };
}
