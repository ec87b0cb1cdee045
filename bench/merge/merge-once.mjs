// One merge in a process of its own: node merge-once.mjs RECIPE OUT. Prints seconds, CPU seconds and peak memory as JSON.
import { fileURLToPath, pathToFileURL } from 'node:url';

const dist = pathToFileURL(process.env.HEDDLE_DIST ?? fileURLToPath(new URL('../../dist', import.meta.url)));
const { mergeRecipe } = await import(`${dist}/merge/merge.node.js`);
const [, , recipe, out] = process.argv;
const cpuBegan = process.cpuUsage();
const began = performance.now();
// The peer does not force its files to the disk.
const { parameters, bytesRead, bytes } = await mergeRecipe(recipe, out, { sync: false });
const seconds = (performance.now() - began) / 1000;
const { user, system } = process.cpuUsage(cpuBegan);
const peakBytes = process.resourceUsage().maxRSS * 1024;
console.log(
  JSON.stringify({
    seconds,
    cpuSeconds: (user + system) / 1e6,
    peakBytes,
    parameters,
    bytesMoved: bytesRead + bytes,
  }),
);
process.exit();
