import type { Kernels } from '../../src/kernels/kernels.js';
import { ParamSpec } from '../../src/tensor/param-spec.js';
import type { ClientState, PlanContext, StageContext } from '../../src/update/stage.js';

const axis = (units: number, group?: string, inner = 1) => ({ units, inner, group });

/** 784-512-256-10 of the byte tables. */
export const mlpSpec = mlp(784, 512, 256, 10);

export function mlp(inputs: number, first: number, second: number, classes: number): ParamSpec {
  const dense = (name: string, from: number, to: number, inGroup: string, outGroup: string) =>
    [
      {
        name: `${name}.weight`,
        kind: 'weight',
        shape: [to, from],
        axes: [axis(to, outGroup), axis(from, inGroup)],
      },
      { name: `${name}.bias`, kind: 'bias', shape: [to], axes: [axis(to, outGroup)] },
    ] as const;
  return new ParamSpec([
    ...dense('fc1', inputs, first, 'input', 'fc1.out'),
    ...dense('fc2', first, second, 'fc1.out', 'fc2.out'),
    ...dense('fc3', second, classes, 'fc2.out', 'fc3.out'),
  ]);
}

/** conv (6 channels) -> norm -> flatten 2 x 3 -> dense: channel c owns columns 6 c to 6 c + 5. */
export const convSpec = new ParamSpec([
  {
    name: 'conv.weight',
    kind: 'weight',
    shape: [6, 2, 3, 3],
    axes: [axis(6, 'conv.out'), axis(2, 'input'), axis(3), axis(3)],
  },
  { name: 'conv.bias', kind: 'bias', shape: [6], axes: [axis(6, 'conv.out')] },
  { name: 'bn.weight', kind: 'norm-weight', shape: [6], axes: [axis(6, 'conv.out')] },
  { name: 'bn.running_mean', kind: 'norm-stat', shape: [6], axes: [axis(6, 'conv.out')] },
  { name: 'fc.weight', kind: 'weight', shape: [3, 36], axes: [axis(3, 'fc.out'), axis(6, 'conv.out', 6)] },
  { name: 'fc.bias', kind: 'bias', shape: [3], axes: [axis(3, 'fc.out')] },
]);

/** Different values at every place, none of them round. */
export function distinct(n: number, scale = 0.001): Float32Array {
  return Float32Array.from({ length: n }, (_, i) => scale * (i + 1) * (i % 2 === 0 ? 1 : -1));
}

export function memoryState(): ClientState {
  const slots = new Map<string, unknown>();
  return {
    get: <T>(slot: string) => slots.get(slot) as T | undefined,
    set: (slot, value) => void slots.set(slot, value),
  };
}

export function stageContext(
  kernels: Kernels,
  spec: ParamSpec,
  overrides: Partial<StageContext> = {},
): StageContext {
  return { round: 0, client: 0, seed: 1, kernels, spec, state: memoryState(), ...overrides };
}

export function planContext(
  kernels: Kernels,
  spec: ParamSpec,
  overrides: Partial<PlanContext> = {},
): PlanContext {
  return {
    ...stageContext(kernels, spec),
    global: distinct(spec.size),
    nExamples: 10,
    fisher: async () => new Float64Array(spec.size),
    ...overrides,
  };
}

export const bitsOf = (x: Float32Array): number[] => [...new Uint32Array(x.buffer, x.byteOffset, x.length)];
