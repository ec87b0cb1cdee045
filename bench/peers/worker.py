"""A long-lived peer process: requests as JSON lines on stdin, answers as JSON lines on stdout.

    {"op": "numpy.axpy", "args": {"n": 16777216}, "seconds": 0.5}
    -> {"op": ..., "median_s": ..., "times": [...], "check": ..., "variant": ..., "variants": {...}, "bytes": ...}

Operands of the latest request are kept, so that a harness can ask for the same operation in turn with its own.
`worker.py --self-test` compares every variant of every operation at a small size and exits 1 on a difference.
"""

import bench_op  # first: it pins the threads before numpy and torch load
import gc
import json
import platform
import statistics
import sys
import traceback

import numpy as np
import threadpoolctl
import torch

import numpy_codec_ops  # noqa: F401  each registers its operations
import numpy_ops  # noqa: F401
import torch_ops  # noqa: F401
import training_ops  # noqa: F401
from self_test import run_self_test

torch.set_num_threads(1)
torch.set_num_interop_threads(1)


def describe() -> dict:
    """Versions, threads and the BLAS kernels that really run."""
    return {
        "python": platform.python_version(),
        "numpy": np.__version__,
        "torch": torch.__version__,
        "torchThreads": torch.get_num_threads(),
        "torchCpuCapability": torch.backends.cpu.get_cpu_capability(),
        "pools": [
            {key: pool.get(key) for key in ("internal_api", "version", "architecture", "num_threads")}
            for pool in threadpoolctl.threadpool_info()
        ],
        "ops": sorted(bench_op.OPS),
    }


class Worker:
    """Answers one request at a time and keeps the operands of the latest."""

    def __init__(self) -> None:
        self.key = ""
        self.prepared: bench_op.BenchOp | None = None

    def prepare(self, name: str, args: dict) -> bench_op.BenchOp:
        key = json.dumps([name, args], sort_keys=True)
        if self.prepared is None or self.key != key:
            self.prepared = None
            gc.collect()
            prepared = bench_op.OPS[name](args)
            bench_op.choose_variant(prepared, bool(args.get("handmade", False)))
            forced = args.get("variant")
            if forced is not None:
                if forced not in prepared.variants:
                    raise KeyError(f"no variant {forced!r} of {name}; it has {sorted(prepared.variants)}")
                prepared.chosen = forced
            self.prepared, self.key = prepared, key
        return self.prepared

    def answer(self, request: dict) -> dict:
        name = request.get("op", "")
        if name == "describe":
            return {"op": name, **describe()}
        if name not in bench_op.OPS:
            return {"op": name, "error": f"unknown operation {name!r}; ask for \"describe\""}
        prepared = self.prepare(name, request.get("args") or {})
        times = bench_op.time_calls(prepared.variants[prepared.chosen], float(request.get("seconds", 0.5)))
        return {
            "op": name,
            "median_s": statistics.median(times),
            "min_s": min(times),
            "times": times,
            "check": prepared.check,
            "variant": prepared.chosen,
            "variants": prepared.trials,
            "bytes": prepared.n_bytes,
            "flops": prepared.n_flops,
            "items": prepared.n_items,
        }


def main() -> int:
    if "--self-test" in sys.argv[1:]:
        return run_self_test()
    worker = Worker()
    for line in sys.stdin:
        if not line.strip():
            continue
        try:
            reply = worker.answer(json.loads(line))
        except Exception as error:  # the harness decides what a failed row means; the worker lives on
            traceback.print_exc(file=sys.stderr)
            reply = {"error": f"{type(error).__name__}: {error}"}
        print(json.dumps(reply), flush=True)
    return 0


if __name__ == "__main__":
    sys.exit(main())
