// Writes a model with the writer of the module given. At the file operation asked for it kills itself, or that and all later ones fail; prints how
// many operations there were, or the code of the error.

import fs from 'node:fs/promises';
import { syncBuiltinESMExports } from 'node:module';

const [, , module, folder, text] = process.argv;
const { outputs, options, at, errno } = JSON.parse(text);
let operations = 0;
let armed = false;
function count() {
  if (!armed) return;
  const number = operations++;
  if (errno === undefined && number === at) process.kill(process.pid, 'SIGKILL');
  if (errno !== undefined && number >= at) throw Object.assign(new Error(errno), { code: errno });
}

const { open, rename, rm, mkdir } = fs;
for (const [name, original] of Object.entries({ rename, rm, mkdir }))
  fs[name] = async (...args) => {
    // Removing needs no space.
    if (name !== 'rm' || errno === undefined) count();
    return original(...args);
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
  await writer.commit();
  process.stdout.write(String(operations));
} catch (error) {
  await writer?.abort();
  process.stdout.write(`${error.code} ${error.hint}`);
}
