// Hello world of an installed package: public entries load, kernels run, a small simulation ends.
import assert from 'node:assert/strict';
import { loadBackend, simulate } from 'heddle';

const kernels = await loadBackend();
const x = kernels.alloc(4);
x.f32().set([1, 2, 3, 4]);
kernels.scaleF32(x, 0.5);
assert.deepEqual([...x.f32()], [0.5, 1, 1.5, 2]);

const run = await simulate({ data: { task: 'mnist-2nn', synthetic: true }, run: { numServerRounds: 2 } });
assert.match(run.fingerprint, /^[0-9a-f]{64}$/);
assert.ok(run.metrics['central-val/accuracy'].final > 0.1);
console.log(`hello from ${kernels.backend} (${kernels.isa}): ${run.fingerprint}`);
