import { setBackend } from './kernels/current.js';
import { type BackendInfo, type BackendOptions, useWasm } from './kernels/select.js';
import { webWorkerHandle } from './platform/web-worker.js';
import { useWorkers } from './train/worker-pool.js';

export interface InitOptions extends BackendOptions {
  /** Another engine.wasm than the inlined one: its bytes, a compiled module, or where to fetch it. */
  wasm?: WebAssembly.Module | BufferSource | URL | string;
  /**
   * Starts a thread that runs `heddle/worker`. A page needs it where its content policy refuses workers from a Blob
   * (no `worker-src blob:`).
   */
  createWorker?: () => Worker;
}

/**
 * Chooses the back end of this process once. Without it, runs choose for themselves and `createAggregator` takes native.
 *
 * @returns what was chosen and why.
 * @throws {BackendUnavailableError} if the back end asked for cannot be had, with every attempt.
 * @example await init({ backend: 'wasm' })
 */
export async function init(options: InitOptions = {}): Promise<BackendInfo> {
  const { wasm, createWorker, ...backend } = options;
  if (wasm !== undefined) useWasm(() => compile(wasm));
  if (createWorker) useWorkers(() => webWorkerHandle(createWorker()));
  return setBackend(backend);
}

async function compile(wasm: NonNullable<InitOptions['wasm']>): Promise<WebAssembly.Module> {
  if (wasm instanceof WebAssembly.Module) return wasm;
  if (typeof wasm === 'string' || wasm instanceof URL) {
    const response = await fetch(wasm);
    if (!response.ok) throw new Error(`${response.url} answered ${response.status}`);
    return WebAssembly.compile(await response.arrayBuffer());
  }
  return WebAssembly.compile(wasm);
}
