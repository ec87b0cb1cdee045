// Our back ends beside numpy and PyTorch: the same work, on one thread, in turn (A B A B ...), results compared first.
//
//   npm run bench:peers -- --only normalF32,gemm --seconds 0.3 --turns 7 --out bench/results/today.json
//
// Every ratio is the median over the turns of (peer's seconds / ours), with the smallest and the largest; below 1 the
// peer is faster, and the row is printed like every other.
import { mkdirSync, writeFileSync } from 'node:fs';
import { cpus } from 'node:os';
import { dirname } from 'node:path';
import { parseArgs } from 'node:util';
import { compareTimes, median, pairedRatio } from '../dist/cli/bench/statistics.js';
import { kernelBuildId } from '../dist/kernels/build-id.js';
import { loadBackend } from '../dist/kernels/select.js';
import { differingPlace, digest } from './digest.mjs';
import { kernelOperations, prepareKernel } from './our-kernels.mjs';
import { prepareTraining } from './our-training.mjs';
import { startPeer } from './peer-process.mjs';

const { values: options } = parseArgs({
  options: {
    only: { type: 'string', default: '' },
    seconds: { type: 'string', default: '0.3' },
    turns: { type: 'string', default: '5' },
    backend: { type: 'string', default: 'native,wasm' },
    isa: { type: 'string' },
    handmade: { type: 'boolean', default: false },
    out: { type: 'string' },
    help: { type: 'boolean', default: false },
  },
});
if (options.help) {
  console.log(`npm run bench:peers -- [options]
  --only a,b       operations: ${kernelOperations.join(', ')}, gemm, train
  --seconds 0.3    for each row and candidate, over all turns
  --turns 5        how often the candidates are measured in turn
  --backend a,b    native, wasm (default both)
  --isa name       native instruction set
  --handmade       let the peers use what their users would hardly write
  --out file.json  every sample`);
  process.exit(0);
}
const seconds = Number(options.seconds);
const turns = Number(options.turns);
const only = options.only === '' ? undefined : new Set(options.only.split(','));
const wanted = (op) => only === undefined || only.has(op);

const LAYERS = [
  [784, 200],
  [200, 200],
  [784, 512],
  [512, 512],
  [512, 200],
];

function rows() {
  const both = ['numpy', 'torch'];
  const list = kernelOperations.map((op) => ({ op, args: {}, peers: both }));
  for (const [inputs, outputs] of LAYERS)
    for (const batch of [10, 32, 64])
      list.push(
        { op: 'gemm', args: { m: batch, n: outputs, k: inputs, transB: true }, peers: both },
        { op: 'gemm', args: { m: batch, n: inputs, k: outputs }, peers: both },
        { op: 'gemm', args: { m: outputs, n: inputs, k: batch, transA: true }, peers: both },
      );
  for (const model of ['mnist-lr', '2nn'])
    for (const batch of [10, 50]) list.push({ op: 'train', args: { model, batch }, peers: both });
  for (const model of ['mnist-cnn', 'cifar10-cnn'])
    list.push({ op: 'train', args: { model, batch: 10 }, peers: ['torch'] });
  return list.filter(({ op }) => wanted(op));
}

/**
 * Peers that add or take norms in float32 are good to about 1e-3 over 16 million values; generators share moments only; a
 * job adds up its rounding.
 */
const TOLERANCE = {
  train: 2e-3,
  uniformF32: 5e-3,
  normalF32: 5e-3,
  addNormalF32: 5e-3,
  dotAndNorms: 1e-3,
  clipAccumulate: 1e-3,
  clipInPlace: 1e-3,
};

const backends = [];
for (const backend of options.backend.split(','))
  backends.push(await loadBackend({ backend, isa: backend === 'native' ? options.isa : undefined }));
const peer = startPeer();
const described = await peer.ask('describe');
const report = {
  machine: { cpu: cpus()[0]?.model.trim(), threads: cpus().length, node: process.versions.node },
  kernelBuild: await kernelBuildId(),
  backends: backends.map(({ backend, isa, profile }) => ({ backend, isa, profile })),
  peers: { numpy: described.numpy, torch: described.torch, python: described.python, pools: described.pools },
  seconds,
  turns,
  rows: [],
};
console.log(
  `${report.machine.cpu}, node ${report.machine.node}, numpy ${described.numpy}, PyTorch ${described.torch}, one thread each`,
);
console.log(
  'ratio = peer seconds / ours, median of the turns [smallest, largest]; below 1 the peer is faster\n',
);

let failures = 0;
for (const row of rows()) {
  const result = await compareRow(row);
  report.rows.push(result);
  if (result.problems.length > 0) failures++;
  console.log(rowText(result));
}
peer.stop();
for (const kernels of backends) kernels.dispose();
const losing = report.rows.flatMap((row) =>
  row.ours.flatMap(({ name, against }) =>
    against
      .filter(({ median: ratio }) => ratio < 1)
      .map(({ peer: other, median: ratio }) => `${label(row)} ${name} against ${other}: ${ratio.toFixed(2)}`),
  ),
);
console.log(
  `\n${losing.length} comparisons with a ratio below 1${losing.length > 0 ? `:\n  ${losing.join('\n  ')}` : ''}`,
);
if (options.out) {
  mkdirSync(dirname(options.out), { recursive: true });
  writeFileSync(options.out, `${JSON.stringify(report, null, 1)}\n`);
}
process.exit(failures > 0 ? 1 : 0);

async function compareRow({ op, args, peers }) {
  const result = { op, args, problems: [], peers: [], ours: [] };
  const asked = { ...args, ...(options.handmade ? { handmade: true } : {}) };
  const prepared = [];
  for (const kernels of backends) {
    const name = `${kernels.backend} ${kernels.isa}`;
    const checked = await checkedAgainst(kernels, op, args, peers);
    result.problems.push(...checked.problems.map((problem) => `${name}: ${problem}`));
    prepared.push({ name, ...checked.candidate, times: [] });
  }
  const candidates = [];
  for (const other of peers) {
    const first = await peer.ask(`${other}.${op}`, asked, 0.02);
    if (first.error) result.problems.push(`${other}: ${first.error}`);
    else candidates.push({ name: other, times: [], samples: [], items: first.items });
  }
  for (let turn = 0; turn < turns; turn++) {
    for (const candidate of candidates) {
      const reply = await peer.ask(`${candidate.name}.${op}`, asked, seconds / turns);
      if (reply.error) throw new Error(`${candidate.name}.${op}: ${reply.error}`);
      candidate.times.push(reply.median_s);
      candidate.samples.push(...reply.times);
      Object.assign(candidate, { variant: reply.variant, bytes: reply.bytes, flops: reply.flops });
    }
    for (const ours of prepared) {
      const samples = await timeCalls(ours.run, seconds / turns);
      ours.times.push(median(samples));
      ours.samples = [...(ours.samples ?? []), ...samples];
    }
  }
  for (const { dispose } of prepared) await dispose();
  result.peers = candidates.map(({ name, times, variant, bytes, flops, items }) => ({
    name,
    variant,
    bytes,
    flops,
    items,
    seconds: median(times),
    turns: times,
  }));
  result.ours = prepared.map(({ name, times, samples, steps }) => ({
    name,
    steps,
    seconds: median(times),
    turns: times,
    against: candidates.map((other) => ({
      peer: other.name,
      ...pairedRatio(other.times, times),
      verdict: compareTimes(samples, other.samples),
    })),
  }));
  return result;
}

/** Our candidate, after its first result was held to each peer's. */
async function checkedAgainst(kernels, op, args, peers) {
  const problems = [];
  const make = (given) =>
    op === 'train' ? prepareTraining(kernels, given) : prepareKernel(kernels, op, given);
  // Dropout masks differ between generators, so a job is compared without them and timed with them.
  const compared = op === 'train' ? { ...args, dropout: false } : args;
  let candidate = await make(compared);
  await candidate.run();
  const ours = candidate.results().map(digest);
  for (const other of peers) {
    const { check, error } = await peer.ask(`${other}.${op}`, compared, 0.01);
    if (error) problems.push(`${other}: ${error}`);
    const places = ours.map((value) => differingPlace(value, check, TOLERANCE[op] ?? 2e-5));
    if (!error && places.every((place) => place !== undefined))
      problems.push(`differs from ${other}: ${places[0]}`);
  }
  if (op === 'train') {
    await candidate.dispose();
    candidate = await make(args);
    await candidate.run();
  }
  return { candidate, problems };
}

/** Seconds of one call, sampled as the peers' are: samples of at least 2 ms, at least three of them. */
async function timeCalls(run, budget) {
  const start = performance.now();
  await run();
  const once = Math.max((performance.now() - start) / 1000, 1e-9);
  const repeats = Math.max(1, Math.floor(0.002 / once));
  const samples = [];
  const stop = performance.now() + 1000 * budget;
  while (samples.length < 3 || (performance.now() < stop && samples.length < 10_000)) {
    const from = performance.now();
    for (let i = 0; i < repeats; i++) {
      const pending = run();
      if (pending instanceof Promise) await pending;
    }
    samples.push((performance.now() - from) / 1000 / repeats);
  }
  return samples;
}

function label({ op, args }) {
  const text = Object.entries(args).map(([key, value]) => (value === true ? key : `${key}=${value}`));
  return [op, ...text].join(' ');
}

function rowText(row) {
  const time = (s) => (s < 1e-3 ? `${(s * 1e6).toFixed(1)} us` : `${(s * 1e3).toFixed(2)} ms`);
  const rate = (s, { bytes, flops, items }) =>
    flops
      ? `${(flops / s / 1e9).toFixed(1)} GFLOP/s`
      : items > 1 && items < 10_000
        ? `${time(s / items)} a step`
        : `${(bytes / s / 1e9).toFixed(1)} GB/s`;
  const [first] = row.peers;
  const lines = [label(row)];
  for (const other of row.peers)
    lines.push(
      `  ${other.name.padEnd(14)} ${time(other.seconds).padStart(10)}  ${rate(other.seconds, other)}  (${other.variant})`,
    );
  for (const ours of row.ours) {
    const ratios = ours.against.map(
      ({ peer: other, median: ratio, min, max, verdict }) =>
        `${ratio.toFixed(2)}x ${other} [${min.toFixed(2)}, ${max.toFixed(2)}]${verdict === 'same' ? ' (not told apart)' : ''}`,
    );
    lines.push(
      `  ${ours.name.padEnd(14)} ${time(ours.seconds).padStart(10)}  ${first ? rate(ours.seconds, first) : ''}  ${ratios.join('  ')}`,
    );
  }
  for (const problem of row.problems) lines.push(`  ! ${problem}`);
  return lines.join('\n');
}
