// Data of your own: bytes or floats, labels, and who owns each example.
//
//   node examples/own-dataset.mjs
import { dataset, simulate } from 'heddle';

// 2,000 images of 8 x 8 pixels with a bright bar in one of four rows; 40 sensors have 50 each, numbered from 100.
const [examples, side, classes] = [2000, 8, 4];
const pixels = new Uint8Array(examples * side * side);
const labels = new Uint8Array(examples);
const owners = new Uint32Array(examples);
for (let i = 0; i < examples; i++) {
  labels[i] = (i * 7) % classes;
  owners[i] = 100 + (i % 40);
  for (let p = 0; p < side * side; p++) {
    const noise = ((i * 31 + p * 17) * 2654435761) >>> 25; // 0 .. 127
    const inBar = Math.floor(p / side) === 2 * labels[i];
    pixels[i * side * side + p] = noise + (inBar ? 90 : 0);
  }
}
const part = (from, to) => ({
  x: pixels.subarray(from * side * side, to * side * side),
  shape: [side * side],
  scale: 1 / 255, // pixels stay bytes in memory and are scaled batch by batch
  y: labels.subarray(from, to),
  classes,
});
const train = dataset({ name: 'bars', ...part(0, 1600), clientOf: owners.subarray(0, 1600) });
const test = dataset({ name: 'bars/test', ...part(1600, 2000) });

// `clientOf` makes the natural partition: one client an owner.
const result = await simulate({
  data: { train, test },
  model: { type: 'softmax-regression' },
  client: { localEpochs: 2, batchSize: 10, lr: 0.3 },
  strategy: { cohortSize: 10, weightedBy: 'num-examples' },
  run: { numServerRounds: 30 },
});
console.log(`${train.clientNames.length} clients, the first is sensor ${train.clientNames[0]}`);
console.log(`accuracy ${(100 * result.metrics['central-val/accuracy'].final).toFixed(1)} %`);

// What is wrong with data is said before anything runs.
try {
  dataset({ ...part(0, 3), y: [0, 1, 4] });
} catch (error) {
  console.log(`${error.code}: ${error.problem}`);
}
