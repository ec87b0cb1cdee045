#!/usr/bin/env node
import { existsSync } from 'node:fs';

const entry = new URL('../dist/cli/main.js', import.meta.url);
if (existsSync(entry)) {
  const { runFromShell } = await import(entry.href);
  await runFromShell();
} else {
  console.error('heddle is not built yet: run `npm run build` in the folder that holds its package.json');
  process.exitCode = 1;
}
