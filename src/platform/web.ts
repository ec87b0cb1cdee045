import { decodeBase64 } from './base64.js';
import { workerSource } from './generated/worker-source.js';
import type { ParentHandle, Platform, WorkerHandle } from './platform.js';
import { createSha256 } from './sha256.js';
import { webWorkerHandle } from './web-worker.js';

let workerUrl: string | undefined;

/**
 * A thread that runs the worker entry the package carries, started from a Blob, so that no bundler has to know of it. A
 * content policy must allow that with `worker-src blob:`, or `init({ createWorker })` start the file `heddle/worker`.
 */
function startWorker(): WorkerHandle {
  workerUrl ??= URL.createObjectURL(new Blob([workerSource], { type: 'text/javascript' }));
  return webWorkerHandle(new Worker(workerUrl, { name: 'heddle' }));
}

export const platform: Platform = {
  name: 'web',
  availableParallelism: () => globalThis.navigator?.hardwareConcurrency ?? 1,
  environment: () => undefined,
  loadAddon: () => ({ attempts: [{ what: 'Node addon', why: 'a browser cannot load native code' }] }),
  async loadWasm() {
    const { wasmBase64 } = await import('./generated/wasm-bytes.js');
    return WebAssembly.compile(decodeBase64(wasmBase64));
  },
  createWorker: startWorker,
  createSha256,
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
