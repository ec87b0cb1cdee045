// Models in memory: read, merged by functions, and written; task vectors as values. No training, no recipe.
//
//   node examples/merge-in-memory.mjs
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { init, readModel, slerp, writeModel } from 'heddle';
import { addTaskVectors, applyTaskVector, negateTaskVector, taskVector, ties } from 'heddle/merge';

// Functions that return at once need a back end that is loaded; native ones load by themselves.
await init();
const folder = await mkdtemp(join(tmpdir(), 'heddle-memory-'));
const path = (name) => join(folder, name);
const model = (...values) => ({
  tensors: new Map([['w', { dtype: 'F32', shape: [4], values: Float32Array.from(values) }]]),
});
const show = (name, { tensors }) => console.log(`${name}: ${tensors.get('w').values.join(', ')}`);

// A base and two fine-tunes, each of which changed a weight of its own.
await writeModel(path('base'), model(3, 4, 0, 0));
await writeModel(path('a'), model(3, 4, 2, 0));
await writeModel(path('b'), model(3, 4, 0, -4));

const [base, a, b] = await Promise.all(['base', 'a', 'b'].map((name) => readModel(path(name))));
await writeModel(path('between'), slerp(a, b, { t: 0.4 }));
show('between a and b', await readModel(path('between')));
show('what both learnt', ties([a, b], { base, density: 0.25 }));

// Task vectors add up, and a negated one makes a model forget.
const [fromA, fromB] = [taskVector(a, base), taskVector(b, base)];
show('half of both', applyTaskVector(base, addTaskVectors([fromA, fromB]), { scale: 0.5 }));
show('b without its task', applyTaskVector(b, negateTaskVector(fromB), { anyBase: true }));

// One that was stored knows its base.
await writeModel(path('vector'), fromA);
try {
  applyTaskVector(b, await readModel(path('vector')));
} catch (error) {
  console.log(`${error.code}: ${error.hint}`);
}
await rm(folder, { recursive: true });
