import { execFile } from 'node:child_process';
import { existsSync } from 'node:fs';
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { afterAll } from 'vitest';

/** The package's folder; the command under test is the built one, as users run it. */
export const root = fileURLToPath(new URL('../../', import.meta.url));
const binary = join(root, 'bin', 'heddle.js');

if (!existsSync(join(root, 'dist', 'cli', 'main.js')))
  throw new Error('the command line is tested as built: run `npm run build` first');

export interface CliResult {
  code: number | null;
  stdout: string;
  stderr: string;
}

export interface CliOptions {
  cwd?: string;
  env?: Record<string, string>;
}

/** Runs `heddle` in a child process to its end. */
export function heddle(
  args: readonly string[],
  { cwd = root, env = {} }: CliOptions = {},
): Promise<CliResult> {
  return new Promise((resolve) => {
    const child = execFile(
      process.execPath,
      [binary, ...args],
      { cwd, env: { ...cleanEnvironment(), ...env }, maxBuffer: 1 << 26 },
      (_error, stdout, stderr) => resolve({ code: child.exitCode, stdout, stderr }),
    );
  });
}

/** What `--json` printed: exactly one object and nothing else on stdout. */
export function parsed(result: CliResult): Record<string, unknown> {
  const value: unknown = JSON.parse(result.stdout);
  if (typeof value !== 'object' || value === null || result.stdout.trimEnd().includes('\n'))
    throw new Error(`stdout is not one JSON object on one line: ${result.stdout.slice(0, 200)}`);
  return value as Record<string, unknown>;
}

/** The error that `--json` printed. */
export function errorOf(result: CliResult): { code: string; message: string; hint: string } {
  return parsed(result).error as { code: string; message: string; hint: string };
}

const folders: string[] = [];
// Here and not where a folder is made: a test may not add hooks.
afterAll(() => Promise.all(folders.map((folder) => rm(folder, { recursive: true, force: true }))));

/** A folder that is gone after the file's tests. */
export async function temporaryFolder(): Promise<string> {
  const folder = await mkdtemp(join(tmpdir(), 'heddle-cli-'));
  folders.push(folder);
  return folder;
}

/** The variables of this process that steer heddle or its colours would leak into what is tested. */
export function cleanEnvironment(): NodeJS.ProcessEnv {
  const steering = /^(HEDDLE_BACKEND|HEDDLE_ISA|FORCE_COLOR|NO_COLOR|NODE_OPTIONS|VITEST.*)$/;
  return Object.fromEntries(Object.entries(process.env).filter(([name]) => !steering.test(name)));
}
