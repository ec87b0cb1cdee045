import type { WorkerHandle } from './platform.js';

/** A page's Worker as the pool sees it. */
export function webWorkerHandle(worker: Worker): WorkerHandle {
  return {
    post: (message, transfer = []) => worker.postMessage(message, transfer as ArrayBuffer[]),
    onMessage: (listener) => worker.addEventListener('message', (event) => listener(event.data)),
    onError: (listener) =>
      worker.addEventListener('error', (event) => {
        // An error without a message is a script that was not loaded: missing, or refused by the page's policy.
        listener(
          new Error(event.message || 'its script did not load (a missing file, or worker-src of the page)'),
        );
      }),
    terminate: async () => worker.terminate(),
  };
}
