"""What every peer operation is made of: a one-thread environment, shared operands, variants, timing.

Import this module before numpy or torch: BLAS libraries read the environment once, when they load.
"""

import gc
import os
import statistics
import time
from dataclasses import dataclass, field
from typing import Callable

for _name in ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS"):
    os.environ[_name] = "1"
# Forcing a kernel or a cache size made for another machine would slow the peer down.
for _name in ("OPENBLAS_CORETYPE", "OPENBLAS_L2_SIZE"):
    os.environ.pop(_name, None)

import numpy as np  # noqa: E402

MIN_SAMPLE_SECONDS = 0.002
MAX_SAMPLES = 10_000


@dataclass
class BenchOp:
    """One operation, prepared on its operands.

    variants: ways to write it, each called with nothing. Names that start with "blocked" walk the operands in
    blocks that stay in cache and those with "by hand" go round autograd: what a peer's user would hardly write.
    They are tried and reported, but chosen only where the request says "handmade": true.
    result: what the last call produced, for the check; mutating operations are checked after their first call.
    n_bytes, n_flops, n_items: work of one call (bytes read plus written once, floating-point operations, samples).
    """

    variants: dict[str, Callable[[], object]]
    result: Callable[[], object]
    n_bytes: int = 0
    n_flops: int = 0
    n_items: int = 1
    chosen: str = ""
    trials: dict[str, float] = field(default_factory=dict)
    check: object = None


OPS: dict[str, Callable[[dict], BenchOp]] = {}


def op(name: str) -> Callable[[Callable[[dict], BenchOp]], Callable[[dict], BenchOp]]:
    """Registers a function that prepares the operation `name` from its arguments."""

    def register(prepare: Callable[[dict], BenchOp]) -> Callable[[dict], BenchOp]:
        OPS[name] = prepare
        return prepare

    return register


def uniform(n: int, seed: int) -> np.ndarray:
    """n float32 in [-0.5, 0.5), multiples of 2^-24, from a hash of (index, seed) that any language can repeat."""
    with np.errstate(over="ignore"):
        h = np.arange(n, dtype=np.uint32) * np.uint32(0x9E3779B1)
        h += np.uint32(seed * 0x85EBCA6B & 0xFFFFFFFF)
        h ^= h >> np.uint32(15)
        h *= np.uint32(0x2C1B3C6D)
        h ^= h >> np.uint32(12)
    h >>= np.uint32(8)
    x = h.astype(np.float32)
    x *= np.float32(2.0**-24)
    x -= np.float32(0.5)
    return x


def summarize(result: object) -> object:
    """A small float64 digest of a result: scalars as they are, arrays as sum, sum of magnitudes, first and last."""
    if isinstance(result, dict):
        return {key: summarize(value) for key, value in result.items()}
    if hasattr(result, "detach"):
        result = result.detach().double().numpy() if result.is_floating_point() else result.detach().numpy()
    a = np.asarray(result)
    if a.ndim == 0:
        return a.item()
    flat = a.reshape(-1).astype(np.float64)
    return {
        "sum": float(flat.sum()),
        "sumAbs": float(np.abs(flat).sum()),
        "first": flat[:3].tolist(),
        "last": flat[-3:].tolist(),
    }


def time_calls(call: Callable[[], object], seconds: float) -> list[float]:
    """Seconds of one call, sampled until the budget is spent; short calls are repeated within a sample."""
    clock = time.perf_counter
    start = clock()
    call()
    once = max(clock() - start, 1e-9)
    repeats = max(1, int(MIN_SAMPLE_SECONDS / once))
    times: list[float] = []
    gc.collect()
    gc.disable()
    try:
        stop = clock() + seconds
        while len(times) < 3 or (clock() < stop and len(times) < MAX_SAMPLES):
            start = clock()
            for _ in range(repeats):
                call()
            times.append((clock() - start) / repeats)
    finally:
        gc.enable()
    return times


HANDMADE = ("blocked", "by hand")


def choose_variant(prepared: BenchOp, allow_handmade: bool) -> None:
    """Checks the first variant, tries every variant and keeps the fastest that is allowed."""
    names = list(prepared.variants)
    prepared.variants[names[0]]()
    prepared.check = summarize(prepared.result())
    for name in names:
        prepared.trials[name] = statistics.median(time_calls(prepared.variants[name], 0.05))
    allowed = [name for name in names if allow_handmade or not name.startswith(HANDMADE)]
    prepared.chosen = min(allowed, key=prepared.trials.__getitem__)


def blocks(n: int, size: int = 1 << 14) -> list[slice]:
    """Slices of `size` elements (64 KiB of float32) that cover n."""
    return [slice(i, min(i + size, n)) for i in range(0, n, size)]
