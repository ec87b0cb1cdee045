/** The worker that reads and merges, so that the page never waits. Files are read by position: they need not fit into memory. */
import { encodeModel, loadBackend, openModelBlobs, tensorStatistics } from 'heddle';
import { mergeRecipeBlobs, planRecipeBlobs } from 'heddle/merge';
import { sampleModels } from './samples.js';

const loading = loadBackend({ backend: 'wasm' });
let controller;

const jobs = { inspect, measure, plan, merge, samples };

addEventListener('message', async ({ data: { id, job, ...input } }) => {
  if (job === 'stop') {
    controller?.abort();
    return;
  }
  try {
    const { transfer = [], ...result } = await jobs[job](input, (progress) => postMessage({ id, progress }));
    postMessage({ id, result }, transfer);
  } catch (error) {
    // Errors of the library say what is wrong and how to mend it; others are a fault of this page.
    const { code, message, problem = message, hint } = error;
    postMessage({ id, error: { code, problem, hint, stopped: error.name === 'AbortError' } });
  }
});

/** What the header of a file says. */
async function inspect({ file }) {
  const source = await openModelBlobs(file.name, file);
  try {
    const tensors = [...source.tensors.values()];
    return {
      tensors: tensors.length,
      parameters: tensors.reduce((sum, { size }) => sum + size, 0),
      bytes: tensors.reduce((sum, tensor) => sum + tensor.bytes, 0),
      dtypes: [...new Set(tensors.map(({ dtype }) => dtype))],
    };
  } finally {
    await source.close();
  }
}

/** What its values say: the norm of all, and how many are not finite. */
async function measure({ file }) {
  const kernels = await loading;
  const source = await openModelBlobs(file.name, file);
  try {
    let squares = 0;
    let nonFinite = 0;
    for (const info of source.tensors.values()) {
      const statistics = await tensorStatistics([source, info], { kernels });
      if (statistics === undefined) continue;
      squares += statistics.norm * statistics.norm;
      nonFinite += statistics.nans + statistics.infinities;
    }
    return { norm: Math.sqrt(squares), nonFinite };
  } finally {
    await source.close();
  }
}

async function plan({ recipe, files, options }) {
  return { plan: await planRecipeBlobs(recipe, files, { ...options, kernels: await loading }) };
}

async function merge({ recipe, files, options }, onProgress) {
  controller = new AbortController();
  const { files: made, summary } = await mergeRecipeBlobs(recipe, files, {
    ...options,
    kernels: await loading,
    signal: controller.signal,
    onProgress,
  });
  const model = made.get('model.safetensors');
  const digest = new Uint8Array(await crypto.subtle.digest('SHA-256', model));
  const sha256 = [...digest].map((byte) => byte.toString(16).padStart(2, '0')).join('');
  return { model, summary, sha256, transfer: [model.buffer] };
}

/** Three small models for those who have none at hand. */
async function samples() {
  const kernels = await loading;
  const files = [];
  for (const { name, model } of sampleModels())
    files.push(new File([await encodeModel(model, { kernels })], name));
  return { files };
}
