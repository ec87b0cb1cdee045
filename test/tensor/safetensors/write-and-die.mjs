// Writes a model with the writer of the module given. At the file operation asked for it kills itself, or that and all later ones fail; prints how
// many operations there were before the commit and in all, or the code of the error. Calls that begin as one in `failing`, as `rm journal.jsonl`, fail always.

import fs from 'node:fs/promises';
import { syncBuiltinESMExports } from 'node:module';
import { basename, join } from 'node:path';

const [, , module, folder, text] = process.argv;
const { outputs, options, at, errno, backwards, failing = [] } = JSON.parse(text);
let operations = 0;
let armed = false;
function count() {
  if (!armed) return;
  const number = operations++;
  if (errno === undefined && number === at) process.kill(process.pid, 'SIGKILL');
  if (errno !== undefined && number >= at) throw Object.assign(new Error(errno), { code: errno });
}

function fail(call, path) {
  if (armed && failing.some((start) => `${call} ${basename(path)}`.startsWith(start)))
    throw Object.assign(new Error('EIO'), { code: 'EIO' });
}

const { open, rename, mkdir, rm, stat } = fs;
fs.stat = async (path, ...args) => {
  fail('stat', path);
  return stat(path, ...args);
};
for (const [name, original] of Object.entries({ rename, mkdir }))
  fs[name] = async (...args) => {
    count();
    return original(...args);
  };
// Removing needs no space. A folder is removed entry by entry, in either order: the system promises none.
fs.rm = async (path, options = {}) => {
  fail('rm', path);
  const isFolder = await stat(path).then(
    (each) => each.isDirectory(),
    () => false,
  );
  if (isFolder && options.recursive) {
    const names = (await fs.readdir(path)).sort();
    for (const name of backwards ? names.reverse() : names) await fs.rm(join(path, name), options);
  }
  if (errno === undefined) count();
  return rm(path, options);
};
fs.open = async (...args) => {
  count();
  const handle = await open(...args);
  for (const name of ['write', 'truncate']) {
    const method = handle[name].bind(handle);
    handle[name] = async (...received) => {
      count();
      return method(...received);
    };
  }
  const datasync = handle.datasync.bind(handle);
  handle.datasync = async () => {
    fail('datasync', args[0]);
    return datasync();
  };
  return handle;
};
syncBuiltinESMExports();

const { createModelWriter } = await import(module);
armed = true;
let writer;
try {
  writer = await createModelWriter(folder, outputs, options);
  for (const { name, dtype, shape } of outputs) {
    const width = { F32: 4, BF16: 2, F16: 2, I64: 8, U8: 1 }[dtype];
    const bytes = shape.reduce((product, n) => product * n, width);
    const content = Uint8Array.from(
      { length: bytes },
      (_, i) => (i * 7 + name.charCodeAt(0) * 31 + 101) & 255,
    );
    await writer.write(name, 0, content);
    await writer.finish(name);
  }
  const before = operations;
  await writer.commit();
  process.stdout.write(`${before} ${operations}`);
} catch (error) {
  await writer?.abort();
  process.stdout.write(`${error.code} ${error.hint}`);
}
