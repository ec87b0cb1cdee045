import type { AnyArray } from '../kernels/buffer.js';
import type { JobRequest } from './job.js';

/**
 * The same job over a copy of its own examples alone, numbered from 0: what is sent to a worker, or into WASM memory, is the
 * client's part and not the whole data set.
 */
export function compactJob(job: JobRequest): JobRequest {
  const { program, index } = job;
  const bindings: Record<string, AnyArray> = { ...job.bindings };
  for (const { name, role } of program.spaces) {
    if (role !== 'examples' && role !== 'labels') continue;
    bindings[name] = gatherRows(job.bindings[name], index, rowLength(job, name));
  }
  const scalars = program.scalars.map(({ name }, i) =>
    name === 'exampleCount' ? index.length : job.scalars[i],
  );
  return { ...job, bindings, scalars, index: Uint32Array.from(index.keys()) };
}

function rowLength(job: JobRequest, name: string): number {
  const at = job.program.scalars.findIndex((scalar) => scalar.name === 'exampleCount');
  return job.bindings[name].length / job.scalars[at];
}

function gatherRows(from: AnyArray, index: Uint32Array, length: number): AnyArray {
  const Type = from.constructor as new (length: number) => AnyArray;
  const rows = new Type(index.length * length);
  index.forEach((row, i) => {
    rows.set(from.subarray(row * length, (row + 1) * length) as never, i * length);
  });
  return rows;
}
