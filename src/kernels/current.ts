/** The kernels that functions use which take none: those of `init`, else native where an addon loads. */
import { BackendUnavailableError } from './errors.js';
import type { Kernels } from './kernels.js';
import { createNative } from './native.js';
import { type BackendInfo, type BackendOptions, loadBackend, resolveBackend } from './select.js';

let current: Kernels | undefined;
let currentOptions: BackendOptions = {};

/** Loads a back end and makes it the default of this process (this thread). */
export async function setBackend(options: BackendOptions = {}): Promise<BackendInfo> {
  const { addon: _, ...info } = resolveBackend(options);
  current = await loadBackend(options);
  currentOptions = options;
  return info;
}

/** What `setBackend` was given: the choice that a run falls back to when it makes none itself. */
export function defaultBackendOptions(): BackendOptions {
  return currentOptions;
}

/** @throws {BackendUnavailableError} when `init` was not called and WASM, which loads asynchronously, would serve. */
export function currentKernels(): Kernels {
  if (current) return current;
  const info = resolveBackend();
  if (!info.addon)
    throw new BackendUnavailableError(
      info.backend,
      [{ what: `${info.backend} kernels`, why: 'they load asynchronously and init() was not called' }],
      'call `await init()` once before, or pass `kernels` from `await loadBackend()`',
    );
  current = createNative(info.addon, info.isa);
  return current;
}
