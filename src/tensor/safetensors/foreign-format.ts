/** Checkpoints of other formats: told by their names, refused with how to convert them, never opened. */
import { ModelFileError } from './errors.js';

interface ForeignFormat {
  readonly name: string;
  readonly files: RegExp;
  readonly hint: string;
}

const WITH_TRANSFORMERS =
  "AutoModelForCausalLM.from_pretrained('<folder>').save_pretrained('<new folder>', safe_serialization=True) of transformers writes one";

const FORMATS: readonly ForeignFormat[] = [
  {
    name: 'a pickled PyTorch checkpoint',
    files: /\.(bin|pt|pth|ckpt)(\.index\.json)?$/i,
    hint: `opening a pickle can run any code, so it is not done here; convert it to safetensors where you trust it: ${WITH_TRANSFORMERS}`,
  },
  {
    name: 'a GGUF file',
    files: /\.gguf$/i,
    hint: 'merge the safetensors checkpoint that it was made from, and make a GGUF file of the result',
  },
  {
    name: 'a TensorFlow checkpoint',
    files: /\.h5$/i,
    hint: `convert it to safetensors: ${WITH_TRANSFORMERS}`,
  },
  {
    name: 'a Flax checkpoint',
    files: /\.msgpack$/i,
    hint: `convert it to safetensors: ${WITH_TRANSFORMERS}`,
  },
  { name: 'an ONNX model', files: /\.onnx$/i, hint: 'merge the checkpoint that it was exported from' },
  {
    name: 'a low-rank adapter without its model',
    files: /^adapter_model\.safetensors$/,
    hint: 'in a recipe name the model that it was trained on, a "+", and the adapter: <model>+<adapter>; to look at it name the file',
  },
];

/** Whether a name alone says that a file is not safetensors. */
export function isForeignFile(name: string): boolean {
  return FORMATS.some(({ name: format, files }) => !format.includes('adapter') && files.test(name));
}

/**
 * What to say of a place without a safetensors model.
 *
 * @param names - of its files.
 * @returns undefined if none of them is known.
 */
export function foreignFormatError(model: string, names: readonly string[]): ModelFileError | undefined {
  // Configurations and tokenizers of any name are no models.
  const sorted = names.filter((name) => !/^(training_args|optimizer|scheduler|rng_state)/.test(name)).sort();
  for (const { name: format, files, hint } of FORMATS) {
    const file = sorted.find((one) => files.test(one));
    if (file === undefined) continue;
    return new ModelFileError(
      'ERR_MODEL_FORMAT',
      `${model}: ${file} is ${format}, not a safetensors model`,
      hint,
      {
        model,
        file,
      },
    );
  }
  return undefined;
}
