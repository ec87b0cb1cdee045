import { createHash } from 'node:crypto';
import { createRequire } from 'node:module';
import { availableParallelism, homedir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { parentPort, Worker } from 'node:worker_threads';
import { decodeBase64 } from './base64.js';
import type { Attempt, ParentHandle, Platform, WorkerHandle } from './platform.js';

const require = createRequire(import.meta.url);
const version = (require('../../package.json') as { version: string }).version;

/** Where `heddle build-native` puts an addon of this version, outside the package. */
export function nativeCachePath(): string {
  const base = process.env.XDG_CACHE_HOME || join(homedir(), '.cache');
  return join(base, 'heddle', version, `heddle-${process.platform}-${process.arch}.node`);
}

function isMusl(): boolean {
  if (process.platform !== 'linux') return false;
  const report = process.report.getReport() as { header?: { glibcVersionRuntime?: string } };
  return report.header?.glibcVersionRuntime === undefined;
}

/** In load order; later places are only looked at where the earlier ones have nothing (asking for musl takes 15 ms). */
function* addonCandidates(path: string | undefined): Generator<{ what: string; path: string }> {
  const explicit = path ?? process.env.HEDDLE_ADDON;
  if (explicit) {
    yield { what: `explicit path ${explicit}`, path: explicit };
    return;
  }
  yield {
    what: 'local build',
    path: fileURLToPath(new URL('../../build/Release/heddle.node', import.meta.url)),
  };
  const platform = `${process.platform}-${process.arch}${isMusl() ? '-musl' : ''}`;
  yield { what: `platform package @heddle/${platform}`, path: `@heddle/${platform}/heddle.node` };
  yield { what: 'cache of heddle build-native', path: nativeCachePath() };
}

// The sources run under the test runner, but a thread needs compiled JavaScript.
function workerEntry(): URL {
  const compiled = import.meta.url.endsWith('.ts')
    ? '../../dist/train/worker-entry.js'
    : '../train/worker-entry.js';
  return new URL(compiled, import.meta.url);
}

export const platform: Platform = {
  name: 'node',
  availableParallelism,
  environment: (name) => process.env[name],
  loadAddon(path) {
    const attempts: Attempt[] = [];
    for (const candidate of addonCandidates(path)) {
      try {
        return { addon: require(candidate.path) as unknown, path: require.resolve(candidate.path) };
      } catch (error) {
        const why = error instanceof Error ? error.message.split('\n')[0] : String(error);
        attempts.push({ what: candidate.what, why });
      }
    }
    return { attempts };
  },
  async loadWasm() {
    const { wasmBase64 } = await import('./generated/wasm-bytes.js');
    return WebAssembly.compile(decodeBase64(wasmBase64));
  },
  createWorker(): WorkerHandle {
    // A thread inherits the options of node, and does not start with the one that says what `-e` and standard input hold.
    const fromText = process.execArgv.some((option) => option.startsWith('--input-type'));
    const worker = new Worker(workerEntry(), fromText ? { execArgv: [] } : {});
    return {
      post: (message, transfer = []) => worker.postMessage(message, transfer as ArrayBuffer[]),
      onMessage: (listener) => worker.on('message', listener),
      onError: (listener) => {
        worker.on('error', listener);
        // A thread can also end without an error: process.exit() in somebody's module.
        worker.on('exit', (code) => listener(new Error(`the thread exited with code ${code}`)));
      },
      keepAlive: (busy) => (busy ? worker.ref() : worker.unref()),
      terminate: async () => {
        await worker.terminate();
      },
    };
  },
  createSha256() {
    const hash = createHash('sha256');
    return { update: (bytes) => void hash.update(bytes), digestHex: () => hash.digest('hex') };
  },
  residentBytes: () => process.memoryUsage.rss(),
};

/** The parent of this worker thread. Throws outside one. */
export function connectToParent(): ParentHandle {
  const port = parentPort;
  if (!port) throw new Error('the worker entry of heddle runs in worker threads only');
  return {
    post: (message, transfer = []) => port.postMessage(message, transfer as ArrayBuffer[]),
    onMessage: (listener) => port.on('message', listener),
  };
}
