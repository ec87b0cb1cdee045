// Shows the tapes of a standard model, one op a line, or writes the encoded job program (float64 words) to a file.
// Usage: node scripts/dump-program.mjs <model> [kind] [batch] [tail] [--out file.f64]
//   models: 2nn mnist-cnn cifar10-cnn softmax; kinds: sgd sgdm adam clip clip-adam fisher evaluation
import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { build } from 'esbuild';

const root = fileURLToPath(new URL('..', import.meta.url));
const out = process.argv.indexOf('--out');
const [modelName = '2nn', kind = 'sgd', batch = '10', tail = '0'] = process.argv
  .slice(2)
  .filter((_, i) => out < 0 || (i + 2 !== out && i + 2 !== out + 1));
const program = await loadProgram(modelName, kind, Number(batch), Number(tail));
if (out >= 0) {
  const words = program.encoded;
  await writeFile(process.argv[out + 1], new Uint8Array(words.buffer, words.byteOffset, words.byteLength));
} else show(program);

async function loadProgram(name, what, batchSize, tailSize) {
  const folder = await mkdtemp(join(tmpdir(), 'heddle-dump-'));
  const file = join(folder, 'programs.mjs');
  const contents = `
    export * from './src/nn/zoo.ts';
    export * from './src/program/programs.ts';
    export { encodeJobProgram } from './src/program/tape.ts';`;
  await build({
    stdin: { contents, resolveDir: root, loader: 'ts' },
    bundle: true,
    format: 'esm',
    outfile: file,
    logLevel: 'error',
  });
  const heddle = await import(file);
  await rm(folder, { recursive: true });
  const models = {
    '2nn': heddle.mlp,
    'mnist-cnn': heddle.mnistCnn,
    'cifar10-cnn': heddle.cifar10Cnn,
    softmax: heddle.softmaxRegression,
  };
  const options = {
    sgd: {},
    sgdm: { optimizer: { kind: 'sgdm', momentum: 0.9 } },
    adam: { optimizer: { kind: 'adam' } },
    clip: { exampleClip: { maxNorm: 1 } },
    'clip-adam': { exampleClip: { maxNorm: 1 }, optimizer: { kind: 'adam' } },
  };
  const model = models[name]();
  const sizes = { batchSize, tailSize };
  let bound;
  if (what === 'fisher') bound = heddle.fisherProgram(model, sizes);
  else if (what === 'evaluation') bound = heddle.evaluationProgram(model, sizes);
  else bound = heddle.trainingProgram(model, { ...sizes, ...options[what] });
  return { ...bound, encoded: heddle.encodeJobProgram(bound) };
}

function show(bound) {
  console.log(`${bound.schedule}, arena ${bound.arenaBytes} bytes`);
  bound.spaces.forEach((s, i) => {
    console.log(`space ${i} ${s.name}: ${s.role} ${s.dtype} ${s.length}`);
  });
  bound.scalars.forEach((s, i) => {
    console.log(`scalar ${i} ${s.name}: ${s.rule} ${s.by}`);
  });
  for (const tape of ['before', 'full', 'tail', 'after']) {
    console.log(tape);
    for (const op of bound[tape].ops) {
      const operands = op.operands.map((o) => `${bound.spaces[o.space].name}[${o.offset}+${o.length}]`);
      const scalars = op.scalars.map((s) => ('literal' in s ? s.literal : bound.scalars[s.runtime].name));
      console.log(`  ${op.phase} ${op.kernel} ${op.label}: ${operands.join(' ')} (${scalars.join(', ')})`);
    }
  }
}
