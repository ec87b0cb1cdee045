"""Makes small models and random recipes, merges each with mergekit, and writes what came of it: the other side of bench/merge/agreement.mjs.

Usage: python merge_agreement.py FOLDER RECIPES SEED. FOLDER gets the models, I.yml, I/ (mergekit's output) and results.json.
Recipes compute in float32, since float16 and bfloat16 arithmetic of a tensor library is not that of a formula.
"""
import json
import logging
import os
import random
import shutil
import sys
import warnings

os.environ.setdefault("HF_HUB_OFFLINE", "1")
os.environ["TQDM_DISABLE"] = "1"
warnings.filterwarnings("ignore")

import torch  # noqa: E402
import yaml  # noqa: E402
from mergekit.config import MergeConfiguration  # noqa: E402
from mergekit.merge import run_merge  # noqa: E402
from mergekit.options import MergeOptions  # noqa: E402
from merge_agreement_models import KINDS, LAYERS, NAMES, WORDS, write_models  # noqa: E402

logging.disable(logging.ERROR)
torch.set_num_threads(1)

# Per-model parameters, parameters of all, whether a base is needed (2: is possible), and the most models besides it.
METHODS = {
    "linear": (["weight"], ["normalize"], 0, 3),
    "slerp": ([], ["t"], 1, 1),
    "nuslerp": (["weight"], ["nuslerp_flatten", "nuslerp_row_wise"], 2, 2),
    "multislerp": (["weight"], ["normalize_weights"], 2, 3),
    "karcher": ([], [], 0, 3),
    "task_arithmetic": (["weight"], ["normalize", "lambda"], 1, 3),
    "ties": (["weight", "density"], ["normalize", "lambda", "int8_mask"], 1, 3),
    # Dropping at random has to be compared by its statistics; here everything is kept.
    "dare_linear": (["weight", "whole"], ["normalize", "lambda"], 1, 3),
    "dare_ties": (["weight", "whole"], ["normalize", "lambda"], 1, 3),
    "breadcrumbs": (["weight", "band", "gamma"], ["normalize", "lambda"], 1, 3),
    "breadcrumbs_ties": (["weight", "band", "gamma"], ["normalize", "lambda"], 1, 3),
    "sce": ([], ["select_topk"], 1, 3),
    "model_stock": ([], ["filter_wise"], 1, 3),
    "nearswap": ([], ["distance"], 1, 1),
    "arcee_fusion": ([], [], 1, 1),
    "passthrough": (["scale"], [], 0, 1),
}
KEYS = {"whole": "density", "band": "density", "distance": "t"}
SWITCHES = {"normalize", "int8_mask", "nuslerp_flatten", "nuslerp_row_wise", "normalize_weights", "filter_wise"}
FILTERS = ["self_attn", "mlp", "norm", "q_proj", "lm_head", "embed_tokens", "layernorm", "down_proj"]


def number(rng, name):
    u = rng.random()
    choices = {
        "weight": [u, 1, 0.5, 1.5 * u, -0.3],
        "density": [0.2 + 0.8 * u, 1, 0.5],
        "whole": [1],
        "band": [0.6 + 0.3 * u],
        "gamma": [0.01 + 0.1 * u],
        "scale": [2 * u],
        "lambda": [0.3 + u],
        "t": [u, 0, 1, 0.5],
        "distance": [0.01 + 0.2 * u],
        "select_topk": [0.1 + 0.8 * u, 1],
    }
    return round(rng.choice(choices[name]), 3)


def value(rng, name):
    if name in SWITCHES:
        return rng.choice([True, False])
    gradient = [number(rng, name) for _ in range(rng.randint(2, 5))]
    kind = rng.random()
    if kind < 0.55:
        return number(rng, name)
    if kind < 0.75:
        return gradient
    some = [{"filter": rng.choice(FILTERS), "value": rng.choice([number(rng, name), gradient])} for _ in range(rng.randint(1, 3))]
    return [*some, {"value": number(rng, name)}]


def parameters(rng, names):
    return {KEYS.get(name, name): value(rng, name) for name in names}


def recipe(rng):
    method = rng.choice(list(METHODS))
    own, shared, base, most = METHODS[method]
    kind = rng.choice(KINDS)
    kinds = [kind if rng.random() < 0.6 else rng.choice(KINDS) for _ in NAMES]
    names = [f"{name}-{kind}" for name, kind in zip(NAMES, kinds)]
    # SCE of one model gives tensors of another shape in mergekit 0.1.4.
    fewest = 2 if method in ("model_stock", "nuslerp", "multislerp", "sce") else 1
    entries = []
    for name in names[1 : 1 + rng.randint(min(fewest, most), most)]:
        adapted = name.endswith("f32") and rng.random() < 0.3
        entry = {"model": f"{name}+lora{rng.randint(0, 2)}" if adapted else name}
        entries.append({**entry, **({"parameters": parameters(rng, own)} if own else {})})
    made = {"merge_method": method, "dtype": "float32"}
    if base == 1 or (base == 2 and rng.random() < 0.5):
        made["base_model"] = names[0]
        if rng.random() < 0.3 and base == 1:
            entries.insert(rng.randint(0, len(entries)), {"model": names[0], **({"parameters": parameters(rng, own)} if own else {})})
    if rng.random() < 0.3:
        listed = entries
        if "base_model" in made and all(entry["model"] != names[0] for entry in entries):
            listed = [*entries, {"model": names[0], **({"parameters": parameters(rng, own)} if own else {})}]
        made["slices"] = [{"sources": cut(rng, listed)} for _ in range(rng.randint(1, 3))]
    else:
        made["models"] = entries
        if rng.random() < 0.5:
            made.update(tokenizer(rng, [entry["model"] for entry in entries], made.get("base_model")))
    given = [name for name in shared if rng.random() < 0.8 or name in ("t", "distance")]
    if given:
        made["parameters"] = parameters(rng, given)
    if rng.random() < 0.2:
        made["out_dtype"] = rng.choice(["bfloat16", "float16"])
    return made


def cut(rng, entries):
    begin = rng.randint(0, LAYERS - 1)
    end = rng.randint(begin + 1, LAYERS)
    return [{**entry, "layer_range": [begin, end]} for entry in entries]


def tokenizer(rng, models, base):
    # Without a base model mergekit takes the tokenizer of any model for that of the base.
    source = rng.choice(["union", "union", "base" if base else "union", f"model:{models[0].split('+')[0]}"])
    if rng.random() < 0.4:
        return {"tokenizer_source": source}
    made = {"source": source.removeprefix("model:")}
    every = [model.split("+")[0] for model in models] + ([base] if base else [])
    tokens = {}
    for token in rng.sample([*WORDS, "<s>", "<pad>"], rng.randint(0, 3)):
        model = rng.choice(every)
        tokens[token] = rng.choice([
            {"source": model},
            {"source": model, "force": True},
            {"source": {"kind": "zero"}},
            {"source": {"kind": "model_token", "model": model, "token": rng.choice(WORDS)}},
            {"source": {"kind": "model_token", "model": model, "token_id": rng.randint(0, 5)}},
        ])
    if tokens:
        made["tokens"] = tokens
    if rng.random() < 0.3:
        made["pad_to_multiple_of"] = rng.choice([4, 8])
    return {"tokenizer": made}


def main(folder, recipes, seed):
    os.makedirs(folder, exist_ok=True)
    os.chdir(folder)
    # Models with their adapters, perhaps of another seed.
    shutil.rmtree("adapted", ignore_errors=True)
    write_models(seed)
    rng = random.Random(seed)
    results = []
    options = MergeOptions(copy_tokenizer=False, write_model_card=False, quiet=True, lora_merge_cache="adapted")
    for i in range(recipes):
        with open(f"{i}.yml", "w", encoding="utf-8") as file:
            yaml.safe_dump(recipe(rng), file, sort_keys=False)
        shutil.rmtree(str(i), ignore_errors=True)
        error = None
        try:
            with open(f"{i}.yml", encoding="utf-8") as file:
                run_merge(MergeConfiguration.model_validate(yaml.safe_load(file)), str(i), options)
        except Exception as caught:  # noqa: BLE001
            error = f"{type(caught).__name__}: {caught}"[:300]
        results.append(error)
        if i % 50 == 49:
            print(f"mergekit: {i + 1} of {recipes} recipes", file=sys.stderr)
    with open("results.json", "w", encoding="utf-8") as file:
        json.dump(results, file)


if __name__ == "__main__":
    main(sys.argv[1], int(sys.argv[2]), int(sys.argv[3]))
