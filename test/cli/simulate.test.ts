// heddle simulate from the outside: what a run prints and leaves behind, and how it stops.
import { spawn } from 'node:child_process';
import { createHash } from 'node:crypto';
import { existsSync, readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import { cleanEnvironment, errorOf, heddle, parsed, root, temporaryFolder } from './run-cli.js';
import { writeSmallTask } from './simulate-files.js';

interface Summary {
  status: string;
  rounds: number;
  fingerprint: string;
  backend: string;
  workers: number;
  seed: string;
  'config-hash': string;
  metrics: Record<string, { final: number; best: number; 'best-round': number }>;
  paths: { folder: string; model: string; report: string; summary: string };
}

const folder = await temporaryFolder();
const small = await writeSmallTask(folder);
const summaryOf = (result: Parameters<typeof parsed>[0]): Summary => parsed(result) as unknown as Summary;

describe('heddle simulate --json', () => {
  it('prints the summary.json of the run, with fingerprint and metrics', async () => {
    const result = await heddle(['simulate', small.config, '--json', '--quiet']);
    expect(result.stderr).toBe('');
    expect(result.code).toBe(0);
    const summary = summaryOf(result);
    expect(summary).toMatchObject({ status: 'completed', rounds: 3 });
    const accuracy = summary.metrics['central-val/accuracy'];
    expect(accuracy.best).toBeGreaterThanOrEqual(accuracy.final);

    const run = summary.paths.folder;
    expect(run.startsWith(join(folder, 'runs'))).toBe(true);
    expect(JSON.parse(readFileSync(join(run, summary.paths.summary), 'utf8'))).toMatchObject({
      fingerprint: summary.fingerprint,
    });
    for (const name of ['config.yaml', 'config.resolved.yaml', 'env.json', 'partition.json', 'run.log'])
      expect(existsSync(join(run, name)), name).toBe(true);
    for (const name of ['metrics.jsonl', 'metrics.csv', 'report.html', 'tb'])
      expect(readdirSync(run)).toContain(name);
    expect(existsSync(join(run, 'run.pid'))).toBe(false);
    expect(readFileSync(join(run, 'config.yaml'), 'utf8')).toBe(readFileSync(small.config, 'utf8'));
  });

  it('writes the very parameters whose SHA-256 is the fingerprint', async () => {
    const summary = summaryOf(await heddle(['simulate', small.config, '--json', '--quiet']));
    const file = readFileSync(join(summary.paths.folder, summary.paths.model));
    const start = 8 + Number(file.readBigUInt64LE(0));
    expect(createHash('sha256').update(file.subarray(start)).digest('hex')).toBe(summary.fingerprint);
    const header = JSON.parse(file.subarray(8, start).toString('utf8'));
    expect(header.__metadata__).toMatchObject({ format: 'pt', 'heddle.fingerprint': summary.fingerprint });
    expect(header['fc.weight']).toMatchObject({ dtype: 'F32', shape: [10, 784] });
  });

  it('gives the same bytes again from the resolved configuration that it left, on another number of workers', async () => {
    const first = summaryOf(await heddle(['simulate', small.config, '--json', '--quiet']));
    const resolved = join(first.paths.folder, 'config.resolved.yaml');
    const again = summaryOf(await heddle(['simulate', resolved, '--workers', '2', '--json', '--quiet']));
    expect(again.workers).toBe(2);
    expect(again['config-hash']).toBe(first['config-hash']);
    expect(again.fingerprint).toBe(first.fingerprint);
  });

  it('takes flags over the file, and -c in order', async () => {
    const runs = await temporaryFolder();
    const result = await heddle([
      ...[
        'simulate',
        small.config,
        '-c',
        'run.num-server-rounds=9 client.lr=0.01',
        '-c',
        'run.num-server-rounds=1',
      ],
      ...['--backend', 'wasm', '--seed', '18446744073709551615', '--runs-dir', runs, '--json', '--quiet'],
    ]);
    const summary = summaryOf(result);
    expect(summary).toMatchObject({ rounds: 1, backend: 'wasm', seed: '18446744073709551615' });
    expect(summary.paths.folder.startsWith(runs)).toBe(true);
    const resolved = readFileSync(join(summary.paths.folder, 'config.resolved.yaml'), 'utf8');
    expect(resolved).toContain('lr: 0.01');
  });
});

describe('heddle simulate for people', () => {
  it('runs a bare task on its generated twin, into ./runs, and prints progress on stderr and one line on stdout', async () => {
    const cwd = await temporaryFolder();
    const result = await heddle(['simulate', 'mnist-lr', '--synthetic', '-c', 'run.num-server-rounds=2'], {
      cwd,
    });
    expect(result.code).toBe(0);
    expect(result.stderr).toContain('round 2/2');
    expect(result.stderr).toMatch(/native|wasm/);
    expect(result.stdout).toMatch(/^[0-9a-f]{64} {2}\S+\n$/);
    expect(readdirSync(join(cwd, 'runs'))).toHaveLength(1);
  });
});

describe('heddle simulate --expect', () => {
  it('is content with the same fingerprint, as digits or as a summary', async () => {
    const first = summaryOf(await heddle(['simulate', small.config, '--json', '--quiet']));
    const file = join(first.paths.folder, 'summary.json');
    for (const expect_ of [first.fingerprint, file])
      expect((await heddle(['simulate', small.config, '--expect', expect_, '--quiet'])).code).toBe(0);
  });

  it('fails on another one, and names which of the hashes beside it differ', async () => {
    const first = summaryOf(await heddle(['simulate', small.config, '--json', '--quiet']));
    const file = join(first.paths.folder, 'summary.json');
    const result = await heddle([
      'simulate',
      small.config,
      '-c',
      'client.lr=0.01',
      '--expect',
      file,
      '--quiet',
    ]);
    expect(result.code).toBe(1);
    expect(result.stderr).toContain('ERR_FINGERPRINT_MISMATCH');
    expect(result.stderr).toContain('config-hash differs');
    expect(result.stderr).toContain('partition-hash is equal');
  });
});

/** Starts a long run; `begun` resolves when its first round is done. */
function startLongRun(): {
  child: ReturnType<typeof spawn>;
  begun: Promise<void>;
  output: { stdout: string; stderr: string };
} {
  const child = spawn(
    process.execPath,
    [
      join(root, 'bin', 'heddle.js'),
      'simulate',
      small.config,
      '-c',
      'run.num-server-rounds=1000000',
      '--json',
    ],
    { cwd: folder, env: cleanEnvironment() },
  );
  const output = { stdout: '', stderr: '' };
  child.stdout.on('data', (chunk: Buffer) => {
    output.stdout += chunk.toString('utf8');
  });
  const begun = new Promise<void>((resolve) => {
    child.stderr.on('data', (chunk: Buffer) => {
      output.stderr += chunk.toString('utf8');
      if (/round +1\//.test(output.stderr)) resolve();
    });
  });
  return { child, begun, output };
}

const exitOf = (child: ReturnType<typeof spawn>): Promise<number | null> =>
  new Promise((resolve) => child.on('close', (code) => resolve(code)));

describe('stopping a run', () => {
  it('with Ctrl-C finishes the round, writes model and summary, and exits with 130', async () => {
    const { child, begun, output } = startLongRun();
    const closed = exitOf(child);
    await begun;
    child.kill('SIGINT');
    expect(await closed).toBe(130);
    const summary = JSON.parse(output.stdout) as Summary;
    expect(summary.status).toBe('interrupted');
    expect(summary.rounds).toBeGreaterThanOrEqual(1);
    const run = summary.paths.folder;
    const written = JSON.parse(readFileSync(join(run, 'summary.json'), 'utf8')) as Summary;
    expect(written).toMatchObject({ status: 'interrupted', fingerprint: summary.fingerprint });
    expect(existsSync(join(run, 'model.safetensors'))).toBe(true);
    const events = readFileSync(join(run, 'metrics.jsonl'), 'utf8').trimEnd().split('\n');
    expect(JSON.parse(events.at(-1) ?? '')).toMatchObject({ event: 'end', status: 'interrupted' });
    expect(events.filter((line) => line.includes('"event":"round"'))).toHaveLength(summary.rounds);
  });

  it('with a second Ctrl-C ends at once', async () => {
    const { child, begun } = startLongRun();
    const closed = exitOf(child);
    await begun;
    child.kill('SIGINT');
    child.kill('SIGINT');
    expect(await closed).toBe(130);
  });

  it('after --timeout keeps what was reached and exits with 6', async () => {
    const result = await heddle([
      ...[
        'simulate',
        small.config,
        '-c',
        'run.num-server-rounds=1000000',
        '--timeout',
        '0.5',
        '--json',
        '--quiet',
      ],
    ]);
    expect(result.code).toBe(6);
    const error = errorOf(result);
    expect(error.code).toBe('ERR_TIMEOUT');
    const run = /in (\/.+)$/.exec(error.hint)?.[1] ?? '';
    expect(existsSync(join(run, 'model.safetensors'))).toBe(true);
  });
});
