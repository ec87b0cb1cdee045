// Builds everything: TypeScript and WASM (must succeed) and the native addon (a failure is one line and a log, and an error
// under HEDDLE_REQUIRE_NATIVE=1). `--if-stale` returns at once when nothing changed since the last build.
import { spawnSync } from 'node:child_process';
import { createHash } from 'node:crypto';
import { existsSync, mkdirSync, readdirSync, readFileSync, rmSync, statSync, writeFileSync } from 'node:fs';
import { createRequire } from 'node:module';
import { availableParallelism } from 'node:os';
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';

const root = fileURLToPath(new URL('..', import.meta.url));
const require = createRequire(import.meta.url);
const args = new Set(process.argv.slice(2));
const stampFile = join(root, 'build', 'stamp.json');
const requireNative = process.env.HEDDLE_REQUIRE_NATIVE === '1';

const inputs = {
  wasm: ['assembly', 'asconfig.json', 'package-lock.json'],
  typescript: [
    'src',
    'assembly',
    'tsconfig.json',
    'scripts/build-report.mjs',
    'scripts/build-worker.mjs',
    'scripts/build-merge-thread.mjs',
    'package-lock.json',
  ],
  native: ['native', 'CMakeLists.txt', 'package-lock.json'],
};
const outputs = {
  wasm: ['build/wasm/engine.wasm', 'src/platform/generated/wasm-bytes.ts'],
  typescript: [
    'src/platform/generated/worker-source.ts',
    'dist/index.js',
    'dist/merge/merge-thread.js',
    'dist/engine.wasm',
  ],
  native: ['build/Release/heddle.node'],
};

const devTools = ['typescript', 'assemblyscript', 'esbuild'].every((name) =>
  resolves(`${name}/package.json`),
);
if (!devTools) {
  // `npm ci --omit=dev` runs `prepare` too, with no compiler to run.
  console.log('heddle: development tools are not installed, nothing was built');
  process.exit(0);
}

mkdirSync(join(root, 'build'), { recursive: true });
const stamps = readStamps();
const wanted = ['wasm', 'typescript', 'native'].filter(
  (part) => !args.has('--only-native') || part === 'native',
);
const hashes = Object.fromEntries(wanted.map((part) => [part, hashOf(inputs[part])]));
for (const part of wanted) {
  const fresh = stamps[part] === hashes[part] && outputs[part].every((file) => existsSync(join(root, file)));
  // A native build that failed is tried again only on a full build, so that `npm start` does not repeat it.
  const knownFailure = part === 'native' && stamps.nativeFailed === hashes.native && !requireNative;
  if (args.has('--if-stale') && (fresh || knownFailure)) continue;
  if (part === 'native') buildNative();
  else if (part === 'wasm') buildWasm();
  else buildTypeScript();
}

function buildWasm() {
  run('AssemblyScript', [bin('assemblyscript', 'asc'), '--config', 'asconfig.json', '--target', 'release']);
  const bytes = readFileSync(join(root, 'build/wasm/engine.wasm'));
  const file = join(root, 'src/platform/generated/wasm-bytes.ts');
  mkdirSync(dirname(file), { recursive: true });
  writeFileSync(
    file,
    `/** engine.wasm, so that bundlers need no loader. Written by scripts/build.mjs. */\nexport const wasmBase64 =\n  '${bytes.toString('base64')}';\n`,
  );
  stamp('wasm');
}

function buildTypeScript() {
  // What a deleted source left behind would be packed and could be imported.
  rmSync(join(root, 'dist'), { recursive: true, force: true });
  run('worker bundle', [join(root, 'scripts/build-worker.mjs')]);
  run('TypeScript', [bin('typescript', 'tsc'), '-p', 'tsconfig.json']);
  run('merge thread', [join(root, 'scripts/build-merge-thread.mjs')]);
  writeFileSync(join(root, 'dist/engine.wasm'), readFileSync(join(root, 'build/wasm/engine.wasm')));
  if (existsSync(join(root, 'scripts/build-report.mjs')))
    run('report page', [join(root, 'scripts/build-report.mjs')]);
  stamp('typescript');
}

function buildNative() {
  const log = join(root, 'build', 'native.log');
  const jobs = String(Math.max(1, availableParallelism()));
  const result = spawnSync(
    process.execPath,
    [bin('cmake-js', 'cmake-js'), 'build', '--parallel', jobs, '-O', join(root, 'build')],
    { cwd: root, encoding: 'utf8', env: process.env, maxBuffer: 1 << 28 },
  );
  const text = `${result.stdout ?? ''}${result.stderr ?? ''}${result.error ? String(result.error) : ''}`;
  writeFileSync(log, text);
  if (result.status === 0) {
    stamp('native');
    return;
  }
  const cause = nativeFailure(text);
  console.error(
    `heddle: native addon not built (${cause}; log: build/native.log); WebAssembly serves instead`,
  );
  if (requireNative) process.exit(1);
  stamps.nativeFailed = hashes.native;
  writeStamps();
}

/** The one line that tells a person what is missing. */
function nativeFailure(text) {
  if (/CMake executable is not found|cmake.*(not found|ENOENT|not installed)/i.test(text))
    return 'CMake 3.21 or newer is missing';
  if (/toolset is not available|CMAKE_CXX_COMPILER|compiler.*not found/i.test(text))
    return 'a C++20 compiler is missing';
  const error = text.split('\n').find((line) => /\berror\b/i.test(line));
  return error ? error.trim().slice(0, 160) : 'the build failed';
}

function run(what, command) {
  const result = spawnSync(process.execPath, command, { cwd: root, stdio: 'inherit' });
  if (result.status !== 0) {
    console.error(`heddle: ${what} build failed`);
    process.exit(1);
  }
}

function bin(pkg, name) {
  const manifestPath = require.resolve(`${pkg}/package.json`);
  const { bin: bins } = JSON.parse(readFileSync(manifestPath, 'utf8'));
  return join(dirname(manifestPath), typeof bins === 'string' ? bins : bins[name]);
}

function resolves(specifier) {
  try {
    require.resolve(specifier);
    return true;
  } catch {
    return false;
  }
}

function hashOf(paths) {
  const hash = createHash('sha256');
  for (const path of paths) addToHash(hash, join(root, path));
  return hash.digest('hex');
}

function addToHash(hash, path) {
  if (!existsSync(path) || path.endsWith(join('platform', 'generated'))) return;
  if (statSync(path).isDirectory()) {
    for (const entry of readdirSync(path).sort()) addToHash(hash, join(path, entry));
  } else {
    hash.update(path.slice(root.length));
    hash.update(readFileSync(path));
  }
}

function readStamps() {
  try {
    return JSON.parse(readFileSync(stampFile, 'utf8'));
  } catch {
    return {};
  }
}

function stamp(part) {
  stamps[part] = hashes[part];
  if (part === 'native') delete stamps.nativeFailed;
  writeStamps();
}

function writeStamps() {
  writeFileSync(stampFile, `${JSON.stringify(stamps, null, 2)}\n`);
}
