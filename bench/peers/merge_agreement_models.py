"""Small Llama-shaped models of every kind that a recipe may meet, with adapters and tokenizers."""
import json
import os
import random

import torch
from safetensors.torch import save_file
from tokenizers import AddedToken, Tokenizer, models, pre_tokenizers

HIDDEN, LAYERS, INNER = 16, 3, 24
NAMES = ["base", "a", "b", "c"]
# Types, a head tied to the embedding, a tensor that is missing, tensors without a place.
KINDS = ["f32"] * 6 + ["bf16", "f16"] * 3 + ["tied", "tied", "extra", "lacks"]
WORDS = [f"w{i}" for i in range(20)]
PROJECTIONS = {
    "self_attn.q_proj": (HIDDEN, HIDDEN),
    "self_attn.k_proj": (HIDDEN // 2, HIDDEN),
    "self_attn.v_proj": (HIDDEN // 2, HIDDEN),
    "self_attn.o_proj": (HIDDEN, HIDDEN),
    "mlp.gate_proj": (INNER, HIDDEN),
    "mlp.up_proj": (INNER, HIDDEN),
    "mlp.down_proj": (HIDDEN, INNER),
}


def config(vocabulary, **more):
    return {
        "architectures": ["LlamaForCausalLM"], "model_type": "llama", "hidden_size": HIDDEN, "num_hidden_layers": LAYERS,
        "vocab_size": vocabulary, "intermediate_size": INNER, "num_attention_heads": 4, "num_key_value_heads": 2,
        "torch_dtype": "float32", "tie_word_embeddings": False, **more,
    }


def shapes():
    named = {}
    for i in range(LAYERS):
        for name, shape in PROJECTIONS.items():
            named[f"model.layers.{i}.{name}.weight"] = shape
        for name in ("input_layernorm", "post_attention_layernorm"):
            named[f"model.layers.{i}.{name}.weight"] = (HIDDEN,)
    return {**named, "model.norm.weight": (HIDDEN,)}


def write(folder, tensors, about):
    os.makedirs(folder, exist_ok=True)
    save_file({name: tensor.contiguous() for name, tensor in tensors.items()}, f"{folder}/model.safetensors", metadata={"format": "pt"})
    with open(f"{folder}/config.json", "w", encoding="utf-8") as file:
        json.dump(about, file)


def write_tokenizer(folder, words, added):
    tokenizer = Tokenizer(models.WordLevel({word: i for i, word in enumerate(words)}, unk_token=words[0]))
    tokenizer.pre_tokenizer = pre_tokenizers.Whitespace()
    tokenizer.add_special_tokens([AddedToken(token, special=True, normalized=False) for token in added])
    tokenizer.save(f"{folder}/tokenizer.json")
    with open(f"{folder}/tokenizer_config.json", "w", encoding="utf-8") as file:
        json.dump({"tokenizer_class": "PreTrainedTokenizerFast", "unk_token": words[0]}, file)


def write_models(seed):
    rng = random.Random(seed)
    generator = torch.Generator().manual_seed(seed)
    noise = lambda *shape: torch.randn(*shape, generator=generator)  # noqa: E731
    base = {name: 0.5 * noise(*shape) for name, shape in shapes().items()}
    # One order of words for all, so that models of equal vocabularies exist, and some of their own.
    common, common_added = WORDS[:9], ["<s>"]
    for distance, name in zip([0, 0.1, 0.2, 0.05], NAMES):
        own = {key: tensor + distance * noise(*tensor.shape) for key, tensor in base.items()}
        for kind in sorted(set(KINDS)):
            usual = rng.random() < 0.7
            words = common if usual else ["w0", *rng.sample(WORDS[1:], rng.randint(6, 14))]
            added = common_added if usual else rng.sample(["<s>", "</s>", "<pad>", "<x>"], rng.randint(0, 3))
            rows = len(words) + len(added)
            tensors = {**own, "model.embed_tokens.weight": noise(rows, HIDDEN), "lm_head.weight": noise(rows, HIDDEN)}
            about = config(rows)
            if kind in ("bf16", "f16"):
                dtype = torch.bfloat16 if kind == "bf16" else torch.float16
                tensors = {key: tensor.to(dtype) for key, tensor in tensors.items()}
            if kind == "tied":
                del tensors["lm_head.weight"]
                about["tie_word_embeddings"] = True
            if kind == "lacks":
                del tensors["model.layers.1.mlp.up_proj.weight"]
            if kind == "extra":
                tensors["model.extra.table"] = noise(3)
            write(f"{name}-{kind}", tensors, about)
            write_tokenizer(f"{name}-{kind}", words, added)
    for k, (rank, names, rslora) in enumerate([(2, ["q_proj", "v_proj"], False), (4, [p.split(".")[1] for p in PROJECTIONS], False), (8, ["down_proj"], True)]):
        os.makedirs(f"lora{k}", exist_ok=True)
        tensors = {}
        for i in range(LAYERS):
            for place, (rows, columns) in PROJECTIONS.items():
                if place.split(".")[1] not in names:
                    continue
                prefix = f"base_model.model.model.layers.{i}.{place}."
                tensors[f"{prefix}lora_A.weight"] = 0.1 * noise(rank, columns)
                tensors[f"{prefix}lora_B.weight"] = 0.1 * noise(rows, rank)
        save_file(tensors, f"lora{k}/adapter_model.safetensors")
        about = {
            "peft_type": "LORA", "r": rank, "lora_alpha": 2 * rank + 1, "target_modules": names, "base_model_name_or_path": "base-f32",
            "task_type": "CAUSAL_LM", "bias": "none", "use_rslora": rslora, "fan_in_fan_out": False,
        }
        with open(f"lora{k}/adapter_config.json", "w", encoding="utf-8") as file:
            json.dump(about, file)
