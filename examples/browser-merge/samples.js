/** A small base and two fine-tunes of it, made of numbers that look random and are the same every time. */

const kLayers = 6;
const kWidth = 64;

export function sampleModels() {
  return [
    { name: 'sample-base.safetensors', model: sample(0) },
    { name: 'sample-poems.safetensors', model: sample(1) },
    { name: 'sample-sums.safetensors', model: sample(2) },
  ];
}

/** @param tune - 0 for the base. A tune changes its later layers (1) or its earlier ones (2) the more. */
function sample(tune) {
  const tensors = new Map();
  const add = (name, shape, share) => {
    const size = shape.reduce((product, n) => product * n, 1);
    const base = randoms(size, tensors.size + 1);
    const change = randoms(size, 1000 * tune + tensors.size + 1);
    const values = base.map((value, i) => value + (tune === 0 ? 0 : 0.3 * share * change[i]));
    tensors.set(name, { dtype: 'F32', shape, values });
  };
  add('embed.weight', [256, kWidth], 0.1);
  for (let layer = 0; layer < kLayers; layer++) {
    const share = (tune === 1 ? layer + 1 : kLayers - layer) / kLayers;
    add(`layers.${layer}.attention.weight`, [kWidth, kWidth], share);
    add(`layers.${layer}.mlp.weight`, [4 * kWidth, kWidth], share * share);
    add(`layers.${layer}.norm.weight`, [kWidth], 0.05 * share);
  }
  add('head.weight', [256, kWidth], 0.2);
  return { tensors };
}

/** Numbers in (-0.1, 0.1) by seed. */
function randoms(length, seed) {
  let state = (seed * 2654435761) >>> 0;
  return Float32Array.from({ length }, () => {
    state = (Math.imul(state, 1664525) + 1013904223) >>> 0;
    return (state / 2 ** 31 - 1) / 10;
  });
}
