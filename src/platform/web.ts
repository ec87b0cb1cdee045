import { decodeBase64 } from './base64.js';
import type { ParentHandle, Platform, WorkerHandle } from './platform.js';

export const platform: Platform = {
  name: 'web',
  availableParallelism: () => globalThis.navigator?.hardwareConcurrency ?? 1,
  environment: () => undefined,
  loadAddon: () => ({ attempts: [{ what: 'Node addon', why: 'a browser cannot load native code' }] }),
  async loadWasm() {
    const { wasmBase64 } = await import('./generated/wasm-bytes.js');
    return WebAssembly.compile(decodeBase64(wasmBase64));
  },
  createWorker(): WorkerHandle {
    const worker = new Worker(new URL('../train/worker-entry.js', import.meta.url), { type: 'module' });
    return {
      post: (message, transfer = []) => worker.postMessage(message, transfer as ArrayBuffer[]),
      onMessage: (listener) => worker.addEventListener('message', (event) => listener(event.data)),
      onError: (listener) => worker.addEventListener('error', (event) => listener(new Error(event.message))),
      terminate: async () => worker.terminate(),
    };
  },
  residentBytes: () => undefined,
};

/** The parent of this worker thread. */
export function connectToParent(): ParentHandle {
  const scope = globalThis as unknown as Worker;
  return {
    post: (message, transfer = []) => scope.postMessage(message, transfer as ArrayBuffer[]),
    onMessage: (listener) => scope.addEventListener('message', (event) => listener(event.data)),
  };
}
