// Names in checkpoints, recipes and indexes come from strangers. Whatever they hold, nothing that is printed for people steers the
// terminal: no control character but the line feed, and no mark that turns the direction of writing.
import { mkdirSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { beforeAll, describe, expect, it } from 'vitest';
import { f32, writeModelFolder } from '../merge/model-files.js';
import { heddle, temporaryFolder } from './run-cli.js';

const NAMES = [
  '\u001b[31mred',
  '\u001b]0;title\u0007',
  'back\rto the start',
  '\u009b31m one character',
  '\u202egnp.exe',
  'a\nwarning       forged',
  'nul\u0000',
];
const STEERS = /[^\P{Cc}\n]|[\u061c\u200e\u200f\u2028-\u202e\u2066-\u2069]/u;
const folder = await temporaryFolder();

beforeAll(() => {
  for (const [model, values] of [
    ['a', [1, 2]],
    ['b', [3, 4]],
    ['nan', [Number.NaN, 1]],
    ['wide', [1, 2, 3]],
  ] as const)
    writeModelFolder(
      join(folder, model),
      Object.fromEntries(NAMES.map((name) => [name, f32([values.length], values)])),
    );
  const recipe = (name: string, ...models: string[]) =>
    writeFileSync(
      join(folder, `${name}.yml`),
      `merge_method: linear\nmodels:\n${models.map((model) => `  - {model: ${model}, parameters: {weight: 1}}\n`).join('')}`,
    );
  recipe('good', 'a', 'b');
  recipe('shapes', 'a', 'wide');
  recipe('nan', 'nan');
  recipe('path', '"\\e[31mnowhere\\r"');
  const head = 'merge_method: linear\nmodels: [{model: a, parameters: {weight: ';
  writeFileSync(join(folder, 'filter.yml'), `${head}[{filter: "\\e[31mzz", value: 1}]}}]\n`);
  writeFileSync(join(folder, 'key.yml'), `"\\e[31mbad\\r": 1\n${head}1}}]\n`);
  mkdirSync(join(folder, 'damaged'));
  const header = Buffer.from('{"\u009b31m\\u001b\u202ex":{"dtype":"F32","shape":[1],"data_offsets":[4,8]}}');
  const length = Buffer.alloc(8);
  length.writeBigUInt64LE(BigInt(header.length));
  writeFileSync(join(folder, 'damaged', 'model.safetensors'), Buffer.concat([length, header, length]));
  mkdirSync(join(folder, 'index'));
  writeFileSync(
    join(folder, 'index', 'model.safetensors.index.json'),
    JSON.stringify({ weight_map: { '\u009b31mt': '\u009b31m\u001b[2J.safetensors' } }),
  );
});

describe('what people are shown', () => {
  it.each([
    [0, 'inspect a'],
    [3, 'inspect damaged'],
    [3, 'inspect index --verbose'],
    [0, 'diff a b'],
    [0, 'diff a wide'],
    [0, 'merge good.yml out'],
    [0, 'merge good.yml out --dry-run'],
    [2, 'merge shapes.yml out2'],
    [2, 'merge filter.yml out2'],
    [2, 'merge key.yml out2'],
    [2, 'merge path.yml out2'],
    [3, 'merge nan.yml out2 --verbose'],
    [2, 'merge good.yml out2 --\u001b[31m'],
  ])('steers no terminal, exit code %i: heddle %s', async (wanted, command) => {
    const { code, stdout, stderr } = await heddle(command.split(' '), { cwd: folder });
    expect(code).toBe(wanted);
    expect(stdout + stderr).not.toBe('');
    expect(STEERS.exec(stdout + stderr)?.[0]).toBeUndefined();
    // A line feed within a name would let it add lines of its own.
    expect(stdout + stderr).not.toMatch(/^warning {7}forged/m);
  });
});
