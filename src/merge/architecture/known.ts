/** Decoder architectures of the Llama family, whose tensors are known by name. Others are inferred from their names. */

export interface KnownArchitecture {
  /** As in `architectures` of config.json. */
  readonly names: readonly string[];
  readonly stack: string;
  readonly pre: readonly string[];
  /** Tensors that every layer must have, named behind the layer number. */
  readonly layer: readonly string[];
  /** Those that a layer may have. */
  readonly optional: readonly string[];
  readonly post: readonly string[];
}

const NORMS = ['input_layernorm.weight'];
const ATTENTION = ['q_proj', 'k_proj', 'v_proj', 'o_proj'].map((name) => `self_attn.${name}.weight`);
const MLP = ['gate_proj', 'up_proj', 'down_proj'].map((name) => `mlp.${name}.weight`);
const ATTENTION_BIASES = ['q_proj', 'k_proj', 'v_proj'].map((name) => `self_attn.${name}.bias`);
const OTHER_BIASES = ['self_attn.o_proj', 'mlp.gate_proj', 'mlp.up_proj', 'mlp.down_proj'].map(
  (name) => `${name}.bias`,
);
const DENSE = [...NORMS, ...ATTENTION, 'post_attention_layernorm.weight', ...MLP];
const HEAD_NORMS = ['self_attn.q_norm.weight', 'self_attn.k_norm.weight'];

function family(
  names: readonly string[],
  layer: readonly string[],
  optional: readonly string[],
): KnownArchitecture {
  return {
    names,
    stack: 'model.layers',
    pre: ['model.embed_tokens.weight'],
    layer,
    optional,
    post: ['model.norm.weight', 'lm_head.weight'],
  };
}

export const KNOWN_ARCHITECTURES: readonly KnownArchitecture[] = [
  family(['LlamaForCausalLM', 'MistralForCausalLM', 'GemmaForCausalLM'], DENSE, [
    ...ATTENTION_BIASES,
    ...OTHER_BIASES,
  ]),
  family(['Qwen2ForCausalLM'], [...DENSE, ...ATTENTION_BIASES], OTHER_BIASES),
  family(['Qwen3ForCausalLM'], [...DENSE, ...HEAD_NORMS], [...ATTENTION_BIASES, ...OTHER_BIASES]),
  family(
    ['Gemma2ForCausalLM'],
    [...DENSE, 'pre_feedforward_layernorm.weight', 'post_feedforward_layernorm.weight'],
    [...ATTENTION_BIASES, ...OTHER_BIASES],
  ),
  family(
    ['Phi3ForCausalLM'],
    [
      ...NORMS,
      'self_attn.qkv_proj.weight',
      'self_attn.o_proj.weight',
      'post_attention_layernorm.weight',
      'mlp.gate_up_proj.weight',
      'mlp.down_proj.weight',
    ],
    [],
  ),
];
