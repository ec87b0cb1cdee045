// Bundles the worker entry into src/platform/generated/worker-source.ts, so that a page's bundler needs to know nothing of
// workers: the web platform starts it from a Blob. Usage: node scripts/build-worker.mjs
import { mkdir, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { build } from 'esbuild';

const root = fileURLToPath(new URL('..', import.meta.url));
const folder = join(root, 'src', 'platform', 'generated');

// The web platform carries this bundle; inside the bundle it must be found without it, and is dropped as unused.
const withoutItself = {
  name: 'without-itself',
  setup({ onLoad, onResolve }) {
    onResolve({ filter: /\/worker-source\.js$/ }, () => ({ path: 'worker-source', namespace: 'empty' }));
    onLoad({ filter: /.*/, namespace: 'empty' }, () => ({ contents: 'export const workerSource = "";' }));
  },
};

const { outputFiles } = await build({
  absWorkingDir: root,
  entryPoints: ['src/train/worker-entry.ts'],
  alias: { '#platform': join(root, 'src/platform/web.ts') },
  plugins: [withoutItself],
  bundle: true,
  write: false,
  minify: true,
  // A classic script: module workers came later to Firefox and are not needed for one file.
  format: 'iife',
  platform: 'browser',
  target: ['es2022', 'chrome100', 'firefox115', 'safari16.4'],
  logLevel: 'warning',
});

await mkdir(folder, { recursive: true });
await writeFile(
  join(folder, 'worker-source.ts'),
  `/** The worker entry as one script. Written by scripts/build-worker.mjs. */\nexport const workerSource =\n  ${JSON.stringify(outputFiles[0].text)};\n`,
);
