// Native code under sanitizers: kernels and programs under AddressSanitizer and UndefinedBehaviorSanitizer inside Node, the
// thread pool under ThreadSanitizer as a plain C++ program. Needs g++ on Linux. `--only address` or `--only thread`.
import { execFileSync, spawnSync } from 'node:child_process';
import { existsSync, readdirSync, readFileSync } from 'node:fs';
import { createRequire } from 'node:module';
import { availableParallelism } from 'node:os';
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { parseArgs } from 'node:util';

const root = fileURLToPath(new URL('..', import.meta.url));
const require = createRequire(import.meta.url);
const { values } = parseArgs({ options: { only: { type: 'string' } } });
const jobs = String(availableParallelism());
let failed = false;

if (process.platform !== 'linux') {
  console.error('sanitize: needs Linux and g++');
  process.exit(1);
}
if (values.only !== 'thread') addressSanitizer();
if (values.only !== 'address') threadSanitizer();
process.exit(failed ? 1 : 0);

function addressSanitizer() {
  const out = join(root, 'build-asan');
  const manifest = require.resolve('cmake-js/package.json');
  const cmakeJs = join(dirname(manifest), JSON.parse(readFileSync(manifest, 'utf8')).bin['cmake-js']);
  run('build with AddressSanitizer and UBSan', process.execPath, [
    ...[cmakeJs, 'build', '-B', 'RelWithDebInfo', '-O', out, '--parallel', jobs],
    '--CDHEDDLE_SANITIZE=address,undefined',
  ]);
  const runtime = (name) => execFileSync('gcc', [`-print-file-name=${name}`], { encoding: 'utf8' }).trim();
  const tests = ['test/conformance', 'test/program', 'test/train', 'test/native'].filter((path) =>
    existsSync(join(root, path)),
  );
  run(
    `tests under AddressSanitizer: ${tests.join(', ')}`,
    process.execPath,
    [join(dirname(require.resolve('vitest/package.json')), 'vitest.mjs'), 'run', ...tests],
    {
      // The runtime must be there before Node itself; leaks at exit are Node's own.
      LD_PRELOAD: [runtime('libasan.so'), runtime('libubsan.so')].join(' '),
      ASAN_OPTIONS: 'detect_leaks=0:halt_on_error=1',
      UBSAN_OPTIONS: 'halt_on_error=1:print_stacktrace=1',
      HEDDLE_ADDON: join(out, 'RelWithDebInfo', 'heddle.node'),
      HEDDLE_REQUIRE_NATIVE: '1',
    },
  );
}

function threadSanitizer() {
  const folder = join(root, 'native', 'test');
  const tests = existsSync(folder) ? readdirSync(folder).filter((name) => name.endsWith('_test.cpp')) : [];
  if (tests.length === 0) {
    console.error('sanitize: native/test holds no *_test.cpp');
    failed = true;
    return;
  }
  const out = join(root, 'build-tsan');
  run('configure with ThreadSanitizer', 'cmake', [
    ...['-S', root, '-B', out, '-DHEDDLE_ADDON=OFF', '-DHEDDLE_CPP_TESTS=ON', '-DHEDDLE_SANITIZE=thread'],
  ]);
  run('build with ThreadSanitizer', 'cmake', ['--build', out, '--parallel', jobs]);
  for (const test of tests) {
    const program = join(out, test.replace(/\.cpp$/, ''));
    // Without address randomisation: some kernels' choice of addresses leaves no room for the sanitizer's shadow.
    run(
      `${test} under ThreadSanitizer`,
      'setarch',
      [process.arch === 'arm64' ? 'aarch64' : 'x86_64', '-R', program],
      {
        TSAN_OPTIONS: 'halt_on_error=1',
      },
    );
  }
}

function run(what, command, args, env = {}) {
  if (failed) return;
  console.log(`sanitize: ${what}`);
  const { status, error } = spawnSync(command, args, {
    cwd: root,
    stdio: 'inherit',
    env: { ...process.env, ...env },
  });
  if (status === 0) return;
  console.error(`sanitize: ${what} failed${error ? `: ${error.message}` : ''}`);
  failed = true;
}
