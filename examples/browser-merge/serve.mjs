// Builds the page and serves it on this machine alone. Usage: node serve.mjs [--port 8124]
import { parseArgs } from 'node:util';
import { serveFolder } from '../browser/serve.mjs';
import { buildPage, defaultOutDir } from './build.mjs';

const { values } = parseArgs({ options: { port: { type: 'string', default: '8124' } } });
await buildPage();
const { url } = await serveFolder(defaultOutDir, { port: Number(values.port) });
console.log(`${url} (Ctrl-C ends it)`);
