import { spawn } from 'node:child_process';
import { cp, mkdir, mkdtemp, readFile, rename, rm, writeFile } from 'node:fs/promises';
import { createRequire } from 'node:module';
import { availableParallelism, tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { Command } from 'commander';
import { nativeCachePath } from '../platform/node.js';
import { NativeBuildError } from './errors.js';
import { EXIT } from './exit-codes.js';
import { type CommonOptions, createOutput, type Output, withCommonOptions } from './output.js';
import type { Verb } from './verb.js';

const TOOLS = ['cmake-js', 'node-addon-api', 'node-api-headers'];

export function buildNativeCommand(run: Verb): Command {
  return withCommonOptions(
    new Command('build-native')
      .description(
        'Compiles the native kernels of this package for this machine, into the cache of the user.',
      )
      .addHelpText(
        'after',
        `
Needs a C++20 compiler, CMake 3.21 or newer, and the packages ${TOOLS.join(', ')}.

Examples:
  npm i -D ${TOOLS.join(' ')} && npx heddle build-native
  heddle build-native --verbose      with the compiler's own output`,
      ),
  ).action(
    run(async (options: CommonOptions) => {
      const output = createOutput(options);
      const addon = await buildNative(output);
      output.result(
        { addon },
        () => `built ${addon}\nheddle finds it there by itself; \`heddle doctor\` says so`,
      );
      return EXIT.done;
    }),
  );
}

/** Compiles into a temporary folder and puts the addon where the loader looks; returns its path. */
async function buildNative(output: Output): Promise<string> {
  const root = fileURLToPath(new URL('../..', import.meta.url));
  const cmakeJs = await cmakeJsProgram(root);
  const work = await mkdtemp(join(tmpdir(), 'heddle-native-'));
  try {
    const jobs = String(availableParallelism());
    output.note('compiling the native kernels; this takes a minute or two');
    const { code, text } = await execute(
      [cmakeJs, 'build', '-d', root, '-O', work, '--parallel', jobs],
      root,
      output,
    );
    if (code !== 0) throw await buildFailure(text);
    const target = nativeCachePath();
    await mkdir(dirname(target), { recursive: true });
    // A running process may hold the old file open: the new one takes its name, not its place.
    const arriving = `${target}.${process.pid}`;
    await cp(join(work, 'Release', 'heddle.node'), arriving);
    await rename(arriving, target);
    return target;
  } finally {
    await rm(work, { recursive: true, force: true });
  }
}

/** The program of cmake-js, looked for from the working folder and from this package. */
async function cmakeJsProgram(root: string): Promise<string> {
  const requires = [join(process.cwd(), 'package.json'), join(root, 'package.json')].map(createRequire);
  const missing: string[] = [];
  let manifest: string | undefined;
  for (const tool of TOOLS) {
    const found = requires.map((require) => resolveOrNothing(require, `${tool}/package.json`)).find(Boolean);
    if (found === undefined) missing.push(tool);
    else if (tool === 'cmake-js') manifest = found;
  }
  if (missing.length > 0 || manifest === undefined)
    throw new NativeBuildError(
      `build-native needs ${missing.join(', ')}, not installed here`,
      `npm i -D ${missing.join(' ')}`,
    );
  const { bin } = JSON.parse(await readFile(manifest, 'utf8')) as { bin: string | Record<string, string> };
  return join(dirname(manifest), typeof bin === 'string' ? bin : bin['cmake-js']);
}

function resolveOrNothing(require: NodeJS.Require, specifier: string): string | undefined {
  try {
    return require.resolve(specifier);
  } catch (error) {
    const { code } = error as NodeJS.ErrnoException;
    if (code === 'MODULE_NOT_FOUND' || code === 'ERR_PACKAGE_PATH_NOT_EXPORTED') return undefined;
    throw error;
  }
}

function execute(
  command: readonly string[],
  folder: string,
  output: Output,
): Promise<{ code: number | null; text: string }> {
  return new Promise((resolve, reject) => {
    const child = spawn(process.execPath, command, { cwd: folder, stdio: ['ignore', 'pipe', 'pipe'] });
    const chunks: Buffer[] = [];
    for (const stream of [child.stdout, child.stderr])
      stream.on('data', (chunk: Buffer) => {
        chunks.push(chunk);
        if (output.verbose) process.stderr.write(chunk);
      });
    child.on('error', reject);
    child.on('close', (code) => resolve({ code, text: Buffer.concat(chunks).toString('utf8') }));
  });
}

async function buildFailure(text: string): Promise<NativeBuildError> {
  const log = join(tmpdir(), `heddle-native-${process.pid}.log`);
  await writeFile(log, text);
  if (/cmake.*(not found|ENOENT|not installed)/i.test(text))
    return new NativeBuildError(
      `CMake 3.21 or newer is missing (log: ${log})`,
      'install CMake and run it again',
    );
  if (/No CMAKE_CXX_COMPILER|CMAKE_CXX_COMPILER could not be found|compiler.*not found/i.test(text))
    return new NativeBuildError(
      `a C++20 compiler is missing (log: ${log})`,
      'install g++ 12, clang 15 or newer, or Visual Studio 2022, and run it again',
    );
  const line =
    text
      .split('\n')
      .find((candidate) => /\berror\b/i.test(candidate))
      ?.trim() ?? 'the build failed';
  return new NativeBuildError(
    `${line.slice(0, 200)} (log: ${log})`,
    'mend what the log names, or go on with WebAssembly, which needs no build',
  );
}
