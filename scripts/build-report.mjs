// Bundles the report page's script with Observable Plot, and its style, into dist/report/page.js and page.css.
// Usage: node scripts/build-report.mjs [--out-dir <folder>]
import { mkdir } from 'node:fs/promises';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { parseArgs } from 'node:util';
import { build } from 'esbuild';

const root = fileURLToPath(new URL('..', import.meta.url));
const { values } = parseArgs({ options: { 'out-dir': { type: 'string' } } });
const outDir = values['out-dir'] ?? join(root, 'dist', 'report');

await mkdir(outDir, { recursive: true });
await build({
  absWorkingDir: root,
  entryPoints: ['src/report/page/main.ts', 'src/report/page/page.css'],
  entryNames: 'page',
  outdir: outDir,
  bundle: true,
  minify: true,
  format: 'iife',
  platform: 'browser',
  target: ['es2020', 'chrome100', 'firefox100', 'safari15'],
  // The file is inlined in pages that people keep, so the licences go along.
  banner: {
    js: '/* Includes Observable Plot and D3, (c) Observable, Inc. and Mike Bostock, ISC licence; https://github.com/observablehq/plot */',
  },
  legalComments: 'eof',
  logLevel: 'warning',
});
