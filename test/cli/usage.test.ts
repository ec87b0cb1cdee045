// How the command line speaks: help, mistakes, exit codes and JSON, whatever the verb.
import { execFile } from 'node:child_process';
import { readFileSync } from 'node:fs';
import { writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import { EXIT, exitCodeOf } from '../../src/cli/exit-codes.js';
import { HeddleError } from '../../src/errors.js';
import { version } from '../../src/version.js';
import { cleanEnvironment, errorOf, heddle, root, temporaryFolder } from './run-cli.js';

describe('help', () => {
  it('is what heddle alone prints, with every verb, examples and the exit codes', async () => {
    const { code, stdout } = await heddle([]);
    expect(code).toBe(0);
    for (const text of [
      'simulate',
      'bench',
      'doctor',
      'build-native',
      'Examples:',
      'disk full',
      '130 interrupted',
    ])
      expect(stdout).toContain(text);
  });

  it.each([
    ['simulate'],
    ['bench'],
    ['bench', 'kernels'],
    ['bench', 'training'],
    ['bench', 'simulation'],
    ['doctor'],
    ['build-native'],
  ])('of %s %s has examples and ends with 0', async (...verb) => {
    const { code, stdout, stderr } = await heddle([...verb, '--help']);
    expect(code).toBe(0);
    expect(stderr).toBe('');
    expect(stdout).toContain(`Usage: heddle ${verb.join(' ')}`);
    expect(stdout).toContain('Examples:');
  });

  it('is found for a verb and what is below it, and for nothing else', async () => {
    expect((await heddle(['help', 'bench', 'kernels'])).stdout).toContain('Usage: heddle bench kernels');
    const wrong = await heddle(['help', 'mrge']);
    expect(wrong.code).toBe(2);
    expect(wrong.stdout).toBe('');
    expect(wrong.stderr).toContain('there is no verb "mrge"');
    expect(wrong.stderr).toContain('did you mean merge?');
  });

  it('says the version of package.json', async () => {
    const manifest = JSON.parse(readFileSync(join(root, 'package.json'), 'utf8')) as { version: string };
    expect((await heddle(['--version'])).stdout.trim()).toBe(manifest.version);
    expect(version).toBe(manifest.version);
  });
});

describe('a mistake on the command line', async () => {
  const folder = await temporaryFolder();
  await writeFile(join(folder, 'empty.yml'), ' \n');

  it.each([
    [['simulat', 'mnist-2nn'], "unknown command 'simulat'", 'simulate'],
    [['doctor', '--backnd', 'wasm'], "unknown option '--backnd'", '--backend'],
    [['bench', 'kernels', '--filtr', 'gemm'], "unknown option '--filtr'", '--filter'],
    [['bench', 'trainin'], 'bench has no verb "trainin"', 'training'],
    [['simulate', 'mnist-2nn', '--syntetic'], "unknown option '--syntetic'", '--synthetic'],
  ])('%j ends with 2 and names the nearest', async (args, problem, nearest) => {
    const plain = await heddle(args);
    expect(plain.code).toBe(2);
    expect(plain.stdout).toBe('');
    expect(plain.stderr).toContain(problem);
    expect(plain.stderr).toContain(`did you mean ${nearest}?`);

    const json = await heddle([...args, '--json']);
    expect(json.code).toBe(2);
    expect(errorOf(json)).toMatchObject({ code: 'ERR_USAGE', message: problem });
    expect(errorOf(json).hint).toContain(nearest);
  });

  it.each([
    [['doctor', '--backend', 'cuda'], 'Allowed choices are auto, native, wasm, reference'],
    [['simulate', 'mnist-2nn', '--workers', '1.5'], 'whole number from 0 to 1024'],
    [['bench', 'kernels', '--seconds', '-1'], 'number above 0'],
    [['simulate'], 'needs a configuration file or a task'],
    [['simulate', 'mnist-2nn', '--seed', 'abc'], 'whole number from 0 to 2^64 - 1'],
    [['simulate', 'mnist-2nn', '--expect', 'abc'], 'neither a fingerprint nor a readable file'],
    [['simulate', 'mnist-2nn', '--seed', '18446744073709551616'], 'whole number from 0 to 2^64 - 1'],
    [['bench', 'kernels', '--filter', 'nonsense'], 'no timed kernel'],
    [['merge', 'nowhere.yml', 'out'], 'nowhere.yml cannot be read: there is nothing at this path'],
    [['merge', '.', 'out'], '. cannot be read: it is a folder'],
    [['merge', 'empty.yml', 'out'], 'empty.yml is empty'],
    [['merge', 'empty.yml', 'out', '--raw-tensors', 'all'], 'Allowed choices are error, union, intersection'],
    [['evolve', 'nowhere.yaml', 'out'], 'nowhere.yaml cannot be read: there is nothing at this path'],
    [['soup', 'a', '--out', 'b', '--module', 'nowhere.mjs'], 'nowhere.mjs is not there'],
  ])('%j says what is allowed', async (args, problem) => {
    const result = await heddle([...args, '--json'], { cwd: folder });
    expect(result.code).toBe(2);
    expect(errorOf(result).message).toContain(problem);
    expect(errorOf(result).hint).not.toBe('');
  });

  it('shows the stack under --verbose only', async () => {
    expect((await heddle(['simulate'])).stderr).not.toContain('    at ');
    expect((await heddle(['simulate', '--verbose'])).stderr).toContain('    at ');
  });

  it('is coloured only where colours are wanted', async () => {
    const red = '\u001b[31m';
    expect((await heddle(['simulate'])).stderr).not.toContain(red);
    expect((await heddle(['simulate'], { env: { FORCE_COLOR: '1' } })).stderr).toContain(red);
    expect((await heddle(['simulate', '--no-color'], { env: { FORCE_COLOR: '1' } })).stderr).not.toContain(
      escape,
    );
    expect((await heddle(['simulate'], { env: { NO_COLOR: '1', FORCE_COLOR: '1' } })).stderr).not.toContain(
      escape,
    );
  });
});

describe.runIf(process.platform === 'linux')('a reader that has gone', () => {
  it.each([
    ['--help', 0],
    ['simulate --json', 2],
    ['simulate', 2],
  ])('changes neither exit code nor work: heddle %s', async (line, exit) => {
    // Both streams go to a pipe that nobody reads: `true` has ended before node has started.
    const script = `"${process.execPath}" "${join(root, 'bin', 'heddle.js')}" ${line} 2>&1 | true; exit \${PIPESTATUS[0]}`;
    const code = await new Promise((resolve) => {
      const child = execFile('bash', ['-c', script], { env: cleanEnvironment() }, () =>
        resolve(child.exitCode),
      );
    });
    expect(code).toBe(exit);
  });
});

describe('exit codes', () => {
  it.each([
    ['ERR_CONFIG', 2],
    ['ERR_DATA_NOT_FOUND', 3],
    ['ERR_DATA_FORMAT', 3],
    ['ERR_LABEL_RANGE', 3],
    ['ERR_BACKEND_UNAVAILABLE', 4],
    ['ERR_OUT_OF_MEMORY', 5],
    ['ERR_TIMEOUT', 6],
    ['ERR_DIVERGED', 7],
    ['ERR_TOO_FEW_REPORTS', 8],
    ['ERR_PRIVACY_BUDGET', 9],
    ['ERR_RUN_ABORTED', 130],
    ['ERR_USER_CODE', 1],
    ['ERR_DISK_FULL', 3],
    ['ERR_IO_ERROR', 3],
  ])('%s ends a verb with %i', (code, exit) => {
    expect(exitCodeOf(new HeddleError(code, 'problem', 'mend'))).toBe(exit);
  });

  it('are 1 for whatever user code throws, and 5 where V8 has no memory left', () => {
    expect(exitCodeOf(new TypeError('x is not a function'))).toBe(EXIT.failed);
    expect(exitCodeOf('a string')).toBe(EXIT.failed);
    expect(exitCodeOf(new RangeError('Array buffer allocation failed'))).toBe(EXIT.memory);
  });
});
