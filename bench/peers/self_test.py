"""Every variant of every operation, in numpy and in PyTorch, must give the same digest."""

import json
import math
import sys

import bench_op

SIZES = [1 << 16, 3 * (1 << 14) + 768]
MODELS = ["mnist-lr", "2nn", "mnist-cnn", "cifar10-cnn"]
CASES = {
    "gemm": [{"m": 10, "n": 30, "k": 50, "transA": a, "transB": b} for a in (False, True) for b in (False, True)],
    "train": [{"model": model, "batch": 10, "steps": 4, "dropout": False} for model in MODELS],
}


def difference(a: object, b: object) -> float:
    """Largest difference between two digests, relative to the larger magnitude in them."""
    if isinstance(a, dict) and isinstance(b, dict):
        if "sumAbs" in a and "sumAbs" in b:
            scale = max(a["sumAbs"], 1e-30)
            numbers = [abs(a["sum"] - b["sum"]) / scale, abs(a["sumAbs"] - b["sumAbs"]) / scale]
            ends = zip(a["first"] + a["last"], b["first"] + b["last"])
            return max(numbers + [abs(p - q) / max(abs(p), abs(q), 1e-3) for p, q in ends])
        if a.keys() != b.keys():
            return math.inf
        if a.keys() == {"mean", "variance"}:
            return max(abs(a[key] - b[key]) for key in a)
        return max(difference(a[key], b[key]) for key in a)
    if isinstance(a, list) and isinstance(b, list):
        return max(map(difference, a, b)) if len(a) == len(b) else math.inf
    return abs(float(a) - float(b)) / max(abs(float(a)), abs(float(b)), 1e-3)


def tolerance(name: str) -> float:
    if "normal" in name.lower() or "uniform" in name.lower():
        return 0.05  # different generators: only the moments agree
    return 2e-2 if name.endswith("quantizeInt8") else 1e-4  # a code at a tie may differ by one


def run_self_test() -> int:
    failures = 0
    n_checked = 0
    for short in sorted({name.split(".", 1)[1] for name in bench_op.OPS}):
        for args in CASES.get(short, [{"n": n} for n in SIZES]):
            reference = None
            for peer in ("numpy", "torch"):
                if short == "train" and peer == "numpy" and args["model"].endswith("cnn"):
                    continue
                prepare = bench_op.OPS[f"{peer}.{short}"]
                for variant in prepare(args).variants:
                    prepared = prepare(args)
                    prepared.variants[variant]()
                    digest = bench_op.summarize(prepared.result())
                    reference = digest if reference is None else reference
                    n_checked += 1
                    if not difference(reference, digest) <= tolerance(short):
                        failures += 1
                        print(f"{peer}.{short} [{variant}] {json.dumps(args)}: {digest} is not {reference}")
    print(f"{n_checked} variants compared, {failures} differ", file=sys.stderr)
    return 1 if failures else 0
