// A trainer of your own: any code, any library; the engine selects, protects, aggregates and evaluates.
//
//   node examples/own-trainer.mjs
import { dataset, simulate } from 'heddle';

// Two classes of points around (-1, 0) and (1, 0).
const examples = 600;
const x = new Float32Array(2 * examples);
const y = new Uint8Array(examples);
for (let i = 0; i < examples; i++) {
  y[i] = i % 2;
  const angle = i * 2.399963; // the golden angle: spread without a generator
  const radius = 0.9 * Math.sqrt((i % 97) / 97);
  x[2 * i] = (y[i] === 0 ? -1 : 1) + radius * Math.cos(angle);
  x[2 * i + 1] = radius * Math.sin(angle);
}
const part = (from, to) =>
  dataset({ x: x.subarray(2 * from, 2 * to), shape: [2], y: y.subarray(from, to), classes: 2 });

// Softmax regression in plain JavaScript. `params` is flat, in the layout of `spec`; the update is trained minus received.
// With a file path as `client.trainer` (a module that exports `trainer`) this runs on worker threads.
const trainer = {
  name: 'by-hand',
  async train({ params, spec, data, index, lr }) {
    const trained = Float32Array.from(params);
    const weight = spec.slice(trained, 'fc.weight'); // [classes, inputs], a view
    const bias = spec.slice(trained, 'fc.bias');
    let lossSum = 0;
    let correct = 0;
    for (const i of index) {
      const [a, b] = data.x.subarray(2 * i, 2 * i + 2);
      const logits = [0, 1].map((c) => weight[2 * c] * a + weight[2 * c + 1] * b + bias[c]);
      const p1 = 1 / (1 + Math.exp(logits[0] - logits[1]));
      const p = [1 - p1, p1];
      lossSum -= Math.log(p[data.y[i]]);
      correct += p[data.y[i]] > 0.5 ? 1 : 0;
      for (const c of [0, 1]) {
        const error = p[c] - (data.y[i] === c ? 1 : 0);
        weight[2 * c] -= lr * error * a;
        weight[2 * c + 1] -= lr * error * b;
        bias[c] -= lr * error;
      }
    }
    const update = trained.map((value, i) => value - params[i]);
    return { update, lossSum, correct, examples: index.length, steps: index.length };
  },
};

const result = await simulate({
  data: {
    source: { train: part(0, 500), test: part(500, 600) },
    partitioner: { type: 'iid', numPartitions: 20 },
  },
  model: { type: 'softmax-regression' },
  client: { trainer, lr: 0.1 },
  strategy: { cohortSize: 5 },
  update: { pipeline: [{ clip: { maxNorm: 1 } }, { quantize: { format: 'int8' } }] },
  run: { numServerRounds: 10 },
});
const { summary, metrics } = result;
console.log(`accuracy ${(100 * metrics['central-val/accuracy'].final).toFixed(1)} %`);
console.log(`training loss ${metrics['train/loss'].final.toFixed(3)}`);
console.log(
  `sent up ${summary.comm.upBytes} bytes, ${(100 * summary.comm.ratio).toFixed(0)} % of dense float32 in all`,
);
