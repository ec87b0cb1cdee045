"""Prints what numpy and PyTorch reach on this machine, one thread, as a Markdown table.

    .venv/bin/python table.py [--seconds 0.5] [--only gemm,train]

Each row is prepared once; its two peers are sampled in turn, three times each, and the median of all samples is shown.
"""

import argparse
import json
import statistics
import sys

import worker  # first: it pins the threads before numpy and torch load
import bench_op

VECTOR = [
    "fill", "copy", "sum", "scale", "add", "subtract", "multiply", "axpy", "lerp", "dot", "dotF64", "norm",
    "sumSquares", "maxAbs", "allFinite", "dotAndNorms", "weightedSum", "weightedSumStacked", "clipInPlace",
    "clipAccumulate", "applyMask", "maskedAccumulate", "accumulateSquares", "segmentSums", "kthLargestMagnitude",
    "quantizeInt8", "dequantizeInt8", "encodeF16", "decodeF16", "encodeBf16", "decodeBf16", "uniformF32",
    "normalF32", "addNormalF32",
]  # fmt: skip
LAYERS = [(784, 200), (200, 200), (784, 512), (512, 512), (512, 200)]


def gemm_cases() -> list[dict]:
    """For a dense layer n_in -> n_out at a batch: forward (NT), data gradient (NN), weight gradient (TN)."""
    cases = []
    for n_in, n_out in LAYERS:
        for batch in (10, 32, 64):
            cases.append({"m": batch, "n": n_out, "k": n_in, "transB": True})
            cases.append({"m": batch, "n": n_in, "k": n_out})
            cases.append({"m": n_out, "n": n_in, "k": batch, "transA": True})
    return cases


def rows() -> list[tuple[str, dict, tuple[str, ...]]]:
    both = ("numpy", "torch")
    listed = [(name, {}, both) for name in VECTOR] + [("gemm", case, both) for case in gemm_cases()]
    for model in ("mnist-lr", "2nn"):
        listed += [("train", {"model": model, "batch": batch}, both) for batch in (10, 50)]
    return listed + [("train", {"model": model, "batch": 10}, ("torch",)) for model in ("mnist-cnn", "cifar10-cnn")]


def rate(prepared: bench_op.BenchOp, seconds: float) -> str:
    if prepared.n_flops:
        return f"{prepared.n_flops / seconds / 1e9:.1f} GFLOP/s"
    if prepared.n_items > 1 and prepared.n_items < 10_000:
        return f"{seconds / prepared.n_items * 1e6:.0f} us/step"
    if prepared.n_items > 1:
        return f"{prepared.n_items / seconds / 1e6:.0f} M/s"
    return f"{prepared.n_bytes / seconds / 1e9:.1f} GB/s"


def measure(name: str, args: dict, peers: tuple[str, ...], seconds: float) -> list[str]:
    prepared = {}
    for peer in peers:
        prepared[peer] = bench_op.OPS[f"{peer}.{name}"](args)
        bench_op.choose_variant(prepared[peer], allow_handmade=False)
    times: dict[str, list[float]] = {peer: [] for peer in peers}
    for _ in range(3):
        for peer in peers:
            one = prepared[peer]
            times[peer] += bench_op.time_calls(one.variants[one.chosen], seconds / 3)
    cells = []
    for peer in ("numpy", "torch"):
        if peer not in peers:
            cells += ["", ""]
            continue
        one = prepared[peer]
        handmade = {k: v for k, v in one.trials.items() if k.startswith(bench_op.HANDMADE)}
        beside = "; ".join(f"{k} {rate(one, v)}" for k, v in handmade.items())
        cells += [rate(one, statistics.median(times[peer])), one.chosen + (f" ({beside})" if beside else "")]
    return cells


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--seconds", type=float, default=0.5, help="seconds for each peer of each row")
    parser.add_argument("--only", default="", help="operations, separated by commas")
    options = parser.parse_args()
    only = set(filter(None, options.only.split(",")))
    about = worker.describe()
    del about["ops"]
    print(json.dumps(about, indent=1), file=sys.stderr)
    print("| operation | numpy | written as | PyTorch | written as |\n|---|---|---|---|---|")
    for name, args, peers in rows():
        if only and name not in only:
            continue
        label = name + ("" if not args else " " + " ".join(f"{k}={v}" for k, v in args.items()))
        print(f"| {label} | " + " | ".join(measure(name, args, peers, options.seconds)) + " |", flush=True)
    return 0


if __name__ == "__main__":
    sys.exit(main())
