// Hello world of an installed package: public entries load, kernels run, a small simulation ends, models merge.
import assert from 'node:assert/strict';
import { encodeModel, init, loadBackend, readModelBlobs, simulate, slerp } from 'heddle';
import { mergeRecipeBlobs } from 'heddle/merge';

const kernels = await loadBackend();
const x = kernels.alloc(4);
x.f32().set([1, 2, 3, 4]);
kernels.scaleF32(x, 0.5);
assert.deepEqual([...x.f32()], [0.5, 1, 1.5, 2]);

const run = await simulate({ data: { task: 'mnist-2nn', synthetic: true }, run: { numServerRounds: 2 } });
assert.match(run.fingerprint, /^[0-9a-f]{64}$/);
assert.ok(run.metrics['central-val/accuracy'].final > 0.1);
await init();
const model = (...values) => ({
  tensors: new Map([['w', { dtype: 'F32', shape: [2], values: Float32Array.from(values) }]]),
});
// Parallel vectors: the way between them is straight.
assert.deepEqual([...slerp(model(1, 2), model(3, 6), { t: 0.5 }).tensors.get('w').values], [2, 4]);
const [a, b] = await Promise.all([model(1, 2), model(3, 6)].map((one) => encodeModel(one)));
const text = 'merge_method: uniform_soup\nmodels: [{model: a}, {model: b}]\n';
const { files } = await mergeRecipeBlobs(text, { a, b });
const soup = await readModelBlobs('soup', files.get('model.safetensors'));
assert.deepEqual([...soup.tensors.get('w').values], [2, 4]);
console.log(`hello from ${kernels.backend} (${kernels.isa}): ${run.fingerprint}`);
