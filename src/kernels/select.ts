/** Which back end is used, and why: flag, then config, then HEDDLE_BACKEND, then auto (native if it loads, else WASM). */
import { platform } from '#platform';
import { InvalidArgumentError } from '../errors.js';
import { type BackendAttempt, BackendUnavailableError } from './errors.js';
import type { BackendName, Kernels, Profile } from './kernels.js';
import { chooseLevel, createNative, type NativeAddon } from './native.js';
import { createWasm } from './wasm.js';

export type BackendChoice = BackendName | 'auto';

export interface BackendOptions {
  /** Default: what `init` was given, then `HEDDLE_BACKEND`, then `auto`. */
  backend?: BackendChoice;
  /** Native instruction set to force: base, avx2, avx512 or neon. Default: `HEDDLE_ISA`, then the fastest. */
  isa?: string;
  /** Path of the addon. Default: the load order of docs/architecture.md. */
  addonPath?: string;
  /** Numeric profile of the reference back end. */
  profile?: Profile;
}

/** What was chosen, and what was tried before it. */
export interface BackendInfo {
  backend: BackendName;
  isa: string;
  profile: Profile;
  /** Who decided: an option, the environment, or nobody (`auto`). */
  chosenBy: 'option' | 'environment' | 'auto';
  /** Where the addon was loaded from; absent unless native. */
  addonPath?: string;
  /** Why native is not used, where `auto` fell back. */
  attempts: readonly BackendAttempt[];
}

const choices: readonly BackendChoice[] = ['auto', 'native', 'wasm', 'reference'];
let wasmModule: Promise<WebAssembly.Module> | undefined;
let customWasm: (() => Promise<WebAssembly.Module>) | undefined;
let loadedAddon: { addon: NativeAddon; path: string } | undefined;

/** Uses another engine.wasm than the one inlined in the package (a bundler's asset, a content-security policy). */
export function useWasm(load: () => Promise<WebAssembly.Module>): void {
  customWasm = load;
  wasmModule = undefined;
}

/**
 * The engine, compiled once for the process.
 *
 * @throws {BackendUnavailableError} where it does not compile.
 */
export function compiledWasm(): Promise<WebAssembly.Module> {
  wasmModule ??= (customWasm ?? platform.loadWasm)().catch((error: unknown) => {
    const why = error instanceof Error ? error.message : String(error);
    throw new BackendUnavailableError(
      'wasm',
      [{ what: customWasm ? 'the module given to init()' : 'the engine in the package', why }],
      'run `npm run build`, or install the package again; the runtime must have WebAssembly SIMD, and the policy of a page allow `wasm-unsafe-eval`',
      error,
    );
  });
  return wasmModule;
}

/** The addon, or why it cannot be had. */
export function findAddon(
  path?: string,
): { addon: NativeAddon; path: string } | { attempts: BackendAttempt[] } {
  if (loadedAddon && path === undefined) return loadedAddon;
  const found = platform.loadAddon(path);
  if ('attempts' in found) return found;
  loadedAddon = { addon: found.addon as NativeAddon, path: found.path };
  return loadedAddon;
}

/** A variable that says something: an empty one counts as not set. */
function environment(name: string): string | undefined {
  return platform.environment(name) || undefined;
}

/**
 * Settles the back end without making kernels.
 *
 * @throws {BackendUnavailableError} when one was asked for that is missing here, with every attempt.
 */
export function resolveBackend(options: BackendOptions = {}): BackendInfo & { addon?: NativeAddon } {
  const fromEnvironment = environment('HEDDLE_BACKEND');
  const choice = options.backend ?? fromEnvironment ?? 'auto';
  if (!choices.includes(choice as BackendChoice))
    throw new InvalidArgumentError(
      'backend',
      options.backend === undefined ? 'HEDDLE_BACKEND' : 'backend',
      choices.join(', '),
      choice,
    );
  const asked = options.backend !== undefined && options.backend !== 'auto';
  const chosenBy = asked ? 'option' : choice === 'auto' ? 'auto' : 'environment';
  if (choice === 'reference')
    return {
      backend: 'reference',
      isa: 'javascript',
      profile: options.profile ?? 'plain',
      chosenBy,
      attempts: [],
    };
  const wasm = { backend: 'wasm', isa: 'wasm-simd', profile: 'plain', chosenBy } as const;
  if (choice === 'wasm') return { ...wasm, attempts: [] };
  const found = findAddon(options.addonPath);
  const isa = options.isa ?? environment('HEDDLE_ISA');
  if ('attempts' in found) {
    if (choice === 'auto' && isa === undefined) return { ...wasm, attempts: found.attempts };
    throw new BackendUnavailableError(
      'native',
      found.attempts,
      'run `npm run build:native` (in an installed package: `heddle build-native`) with a C++20 compiler and CMake, or use --backend wasm',
    );
  }
  const level = chooseLevel(found.addon, isa);
  return {
    backend: 'native',
    isa: level.name,
    profile: level.profile,
    chosenBy,
    addonPath: found.path,
    attempts: [],
    addon: found.addon,
  };
}

/**
 * Loads a back end and returns its kernels.
 *
 * @example const k = await loadBackend({ backend: 'native', isa: 'avx2' }); const y = k.alloc(1 << 24); k.fillF32(y, 1);
 * @throws {BackendUnavailableError} as {@link resolveBackend}.
 */
export async function loadBackend(options: BackendOptions = {}): Promise<Kernels> {
  const info = resolveBackend(options);
  switch (info.backend) {
    case 'reference':
      return (await import('./reference.js')).createReference(info.profile);
    case 'wasm':
      return createWasm(await compiledWasm());
    case 'native':
      if (!info.addon)
        throw new BackendUnavailableError('native', info.attempts, 'report this: the addon vanished');
      return createNative(info.addon, info.isa);
    default:
      return info.backend satisfies never;
  }
}

/** Every back end that runs here: native once per instruction set, WASM, and the reference in both profiles. */
export async function availableBackends(): Promise<Kernels[]> {
  const found = findAddon();
  const native =
    'addon' in found
      ? found.addon
          .levels()
          .filter((level) => level.runsHere)
          .map((level) => createNative(found.addon, level.name))
      : [];
  const { createReference } = await import('./reference.js');
  return [
    ...native,
    await createWasm(await compiledWasm()),
    createReference('plain'),
    createReference('fma'),
  ];
}
