// Kernels alone: the same operations on three back ends, with the same bits.
//
//   node examples/kernels.mjs
import { loadBackend } from 'heddle';

const n = 1 << 20;
const results = [];
for (const backend of ['auto', 'wasm', 'reference']) {
  // A back end that was asked for by name and cannot be had is an error that lists every attempt.
  const k = await loadBackend({ backend });
  // Memory that the back end uses in place; foreign typed arrays work too.
  const y = k.alloc(n);
  const x = k.alloc(n);
  k.fillF32(y, 1);
  k.normalF32(x, 1, 7, 42, 0, 0, 0, 0); // standard deviation 1, key (7, 42), counter 0
  const start = performance.now();
  k.axpyF32(y, x, 0.5); // y += 0.5 x
  const microseconds = (performance.now() - start) * 1000;
  const norm = Math.sqrt(k.sumSquaresF32(y));
  results.push(norm);
  console.log(`${k.backend} (${k.isa}): norm ${norm}, axpy ${microseconds.toFixed(0)} microseconds`);
  y.dispose();
  x.dispose();
  k.dispose();
}
console.log(results.every((norm) => norm === results[0]) ? 'equal to the last bit' : 'DIFFERENT');
