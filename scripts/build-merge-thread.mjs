// Bundles the entry of merge threads into one file: each thread would load some hundred modules by itself, which is a third of a
// small merge. Runs after tsc. Usage: node scripts/build-merge-thread.mjs
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { build } from 'esbuild';

const dist = fileURLToPath(new URL('../dist', import.meta.url));

await build({
  entryPoints: [join(dist, 'merge/stream/thread-entry.node.js')],
  // As deep in the tree as the modules that look for package.json and the addon from where they are.
  outfile: join(dist, 'merge/merge-thread.js'),
  // Only where there is no addon.
  external: [join(dist, 'platform/generated/wasm-bytes.js')],
  bundle: true,
  format: 'esm',
  platform: 'node',
  target: 'node20',
  logLevel: 'warning',
});
