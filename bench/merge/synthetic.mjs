// Writes Llama-shaped checkpoints of random values, a base and fine-tunes of it, for benchmarks of merging.
// Usage: node bench/merge/synthetic.mjs FOLDER [--size 0.1B|0.5B|1.5B] [--tunes 4] [--dtype BF16]
// FOLDER gets base/, tune1/, tune2/ ...: the base is normal with standard deviation 0.02, a tune moves every value by a normal of 0.002.
import { join } from 'node:path';
import { fileURLToPath, pathToFileURL } from 'node:url';
import { parseArgs } from 'node:util';

const dist = pathToFileURL(process.env.HEDDLE_DIST ?? fileURLToPath(new URL('../../dist', import.meta.url)));
const load = (path) => import(`${dist}/${path}`);

/** Sizes after well-known models of about that many parameters; embeddings tied. */
export const SIZES = {
  '0.1B': { hidden: 768, layers: 12, intermediate: 2048, heads: 12, kv: 4, vocabulary: 32_000 },
  '0.5B': { hidden: 896, layers: 24, intermediate: 4864, heads: 14, kv: 2, vocabulary: 151_936 },
  '1.5B': { hidden: 1536, layers: 28, intermediate: 8960, heads: 12, kv: 2, vocabulary: 151_936 },
};

/** Names and shapes of a model's tensors. */
export function tensorsOf({ hidden, layers, intermediate, heads, kv, vocabulary }) {
  const narrow = (hidden / heads) * kv;
  const layer = (i) =>
    [
      ['input_layernorm', [hidden]],
      ['self_attn.q_proj', [hidden, hidden]],
      ['self_attn.k_proj', [narrow, hidden]],
      ['self_attn.v_proj', [narrow, hidden]],
      ['self_attn.o_proj', [hidden, hidden]],
      ['post_attention_layernorm', [hidden]],
      ['mlp.gate_proj', [intermediate, hidden]],
      ['mlp.up_proj', [intermediate, hidden]],
      ['mlp.down_proj', [hidden, intermediate]],
    ].map(([name, shape]) => [`model.layers.${i}.${name}.weight`, shape]);
  return [
    ['model.embed_tokens.weight', [vocabulary, hidden]],
    ...Array.from({ length: layers }, (_, i) => layer(i)).flat(),
    ['model.norm.weight', [hidden]],
  ];
}

export function configOf({ hidden, layers, intermediate, heads, kv, vocabulary }, dtype) {
  return {
    architectures: ['LlamaForCausalLM'],
    model_type: 'llama',
    hidden_size: hidden,
    num_hidden_layers: layers,
    intermediate_size: intermediate,
    num_attention_heads: heads,
    num_key_value_heads: kv,
    vocab_size: vocabulary,
    hidden_act: 'silu',
    rms_norm_eps: 1e-6,
    tie_word_embeddings: true,
    torch_dtype: { BF16: 'bfloat16', F16: 'float16', F32: 'float32' }[dtype],
  };
}

/** Writes base and tunes; returns the folders. */
export async function writeModels(folder, size, tunes, dtype = 'BF16') {
  const { createModelWriter } = await load('tensor/safetensors/writer.node.js');
  const { createCodec } = await load('tensor/safetensors/codecs.js');
  const { loadBackend } = await load('kernels/select.js');
  const kernels = await loadBackend();
  const codec = createCodec(kernels, dtype);
  const shape = SIZES[size];
  const outputs = tensorsOf(shape).map(([name, dims]) => ({ name, shape: dims, dtype }));
  const folders = ['base', ...Array.from({ length: tunes }, (_, i) => `tune${i + 1}`)].map((name) =>
    join(folder, name),
  );
  const CHUNK = 1 << 20;
  const x = new Float32Array(CHUNK);
  const stored = new Uint8Array(CHUNK * codec.width);
  for (const [m, target] of folders.entries()) {
    const writer = await createModelWriter(target, outputs, { overwrite: true, sync: false });
    for (const [site, { name, shape: dims }] of outputs.entries()) {
      const n = dims.reduce((a, b) => a * b, 1);
      for (let at = 0; at < n; at += CHUNK) {
        const part = x.subarray(0, Math.min(CHUNK, n - at));
        kernels.normalF32(part, 0.02, 1, 2, at / 4, 0, 0, site);
        if (m > 0) kernels.addNormalF32(part, 0.002, 3, m, at / 4, 0, 0, site);
        const bytes = stored.subarray(0, part.length * codec.width);
        codec.narrow(bytes, part);
        await writer.write(name, at, bytes);
      }
      await writer.finish(name);
    }
    await writer.addFile('config.json', `${JSON.stringify(configOf(shape, dtype), null, 2)}\n`);
    await writer.commit();
  }
  return folders;
}

if (process.argv[1] === fileURLToPath(import.meta.url)) {
  const { values, positionals } = parseArgs({
    allowPositionals: true,
    options: {
      size: { type: 'string', default: '0.1B' },
      tunes: { type: 'string', default: '4' },
      dtype: { type: 'string', default: 'BF16' },
    },
  });
  const [folder] = positionals;
  if (folder === undefined || !(values.size in SIZES))
    throw new Error(
      `usage: synthetic.mjs FOLDER [--size ${Object.keys(SIZES).join('|')}] [--tunes N] [--dtype BF16]`,
    );
  for (const made of await writeModels(folder, values.size, Number(values.tunes), values.dtype))
    console.log(made);
}
