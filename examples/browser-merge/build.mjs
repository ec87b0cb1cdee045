// Bundles the page and its worker into a folder that any static server can serve.
// Usage: node build.mjs [--out-dir <folder>]
import { cp, mkdir } from 'node:fs/promises';
import { join, resolve } from 'node:path';
import { fileURLToPath, pathToFileURL } from 'node:url';
import { parseArgs } from 'node:util';
import { build } from 'esbuild';

const here = fileURLToPath(new URL('.', import.meta.url));
export const defaultOutDir = join(here, 'dist');

/** No loader, plugin or external is needed for heddle. */
export async function buildPage(outDir = defaultOutDir) {
  await mkdir(outDir, { recursive: true });
  await build({
    absWorkingDir: here,
    entryPoints: ['main.js', 'merger.js'],
    outdir: resolve(outDir),
    bundle: true,
    minify: true,
    format: 'esm',
    platform: 'browser',
    logLevel: 'warning',
  });
  for (const file of ['index.html', 'style.css']) await cp(join(here, file), join(outDir, file));
}

if (import.meta.url === pathToFileURL(process.argv[1]).href) {
  const { values } = parseArgs({ options: { 'out-dir': { type: 'string' } } });
  await buildPage(values['out-dir']);
}
