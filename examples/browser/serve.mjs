// Builds the page and serves it on this machine alone. Usage: node serve.mjs [--port 8123]
import { readFile } from 'node:fs/promises';
import { createServer } from 'node:http';
import { extname, join, normalize, sep } from 'node:path';
import { pathToFileURL } from 'node:url';
import { parseArgs } from 'node:util';
import { buildPage, defaultOutDir } from './build.mjs';

const types = {
  '.html': 'text/html; charset=utf-8',
  '.js': 'text/javascript; charset=utf-8',
  '.css': 'text/css; charset=utf-8',
  '.wasm': 'application/wasm',
};

/**
 * The strictest policy that the engine runs under. `wasm-unsafe-eval` lets the page compile WebAssembly (it does not allow
 * `eval`); `worker-src blob:` lets the engine start its threads, and can go where `init({ createWorker })` starts them.
 */
export const contentPolicy = [
  "default-src 'none'",
  "script-src 'self' 'wasm-unsafe-eval'",
  "worker-src 'self' blob:",
  "style-src 'self'",
  'img-src data:',
  "base-uri 'none'",
  "form-action 'none'",
  "frame-ancestors 'none'",
].join('; ');

/**
 * Serves the files of one folder on 127.0.0.1.
 *
 * @param port - 0 takes any free one.
 * @returns the server's address and how to end it.
 */
export async function serveFolder(folder, { port = 0, policy = contentPolicy } = {}) {
  const server = createServer(async ({ method, url = '/' }, response) => {
    response.setHeader('Content-Security-Policy', policy);
    response.setHeader('X-Content-Type-Options', 'nosniff');
    response.setHeader('Cache-Control', 'no-store');
    try {
      const path = pathInside(folder, url);
      const type = path && types[extname(path)];
      if (!type || (method !== 'GET' && method !== 'HEAD')) throw new Error('not served');
      const body = await readFile(path);
      response.writeHead(200, { 'Content-Type': type }).end(method === 'HEAD' ? undefined : body);
    } catch {
      response.writeHead(404, { 'Content-Type': 'text/plain' }).end('not found\n');
    }
  });
  await new Promise((resolve, reject) => server.once('error', reject).listen(port, '127.0.0.1', resolve));
  return {
    url: `http://127.0.0.1:${server.address().port}/`,
    close: () => {
      server.closeAllConnections();
      return new Promise((resolve) => server.close(resolve));
    },
  };
}

/** The file that a request names, or undefined where it is outside the folder. */
function pathInside(folder, url) {
  const { pathname } = new URL(url, 'http://127.0.0.1');
  const path = normalize(join(folder, decodeURIComponent(pathname === '/' ? '/index.html' : pathname)));
  return path.startsWith(normalize(folder + sep)) ? path : undefined;
}

if (import.meta.url === pathToFileURL(process.argv[1]).href) {
  const { values } = parseArgs({ options: { port: { type: 'string', default: '8123' } } });
  await buildPage();
  const { url } = await serveFolder(defaultOutDir, { port: Number(values.port) });
  console.log(`${url} (Ctrl-C ends it)`);
}
