// The smallest simulation: 100 clients train the 2NN of McMahan et al. on a generated twin of MNIST. Nothing is downloaded.
//
//   node examples/quickstart.mjs
import { simulate } from 'heddle';

const result = await simulate({
  data: { task: 'mnist-2nn', synthetic: true },
  run: { numServerRounds: 20 },
});

const accuracy = result.metrics['central-val/accuracy'];
console.log(`accuracy ${(100 * accuracy.final).toFixed(1)} % after ${result.summary.rounds} rounds`);
console.log(`back end ${result.summary.backend} (${result.summary.isa}), ${result.summary.workers} threads`);
// Equal for any number of threads: the result is a function of configuration, data and seed.
console.log(`fingerprint ${result.fingerprint}`);
