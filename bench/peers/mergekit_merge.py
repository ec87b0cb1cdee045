"""Merges one recipe with mergekit and prints one line of JSON: seconds of the merge, without imports.

Usage: python mergekit_merge.py RECIPE OUT [THREADS]; paths in the recipe are relative to its folder.
"""
import json
import logging
import os
import resource
import sys
import time

os.environ.setdefault("HF_HUB_OFFLINE", "1")
recipe, out = (os.path.abspath(path) for path in sys.argv[1:3])
threads = int(sys.argv[3]) if len(sys.argv) > 3 else os.cpu_count()

import torch  # noqa: E402
import yaml  # noqa: E402
from mergekit.config import MergeConfiguration  # noqa: E402
from mergekit.merge import run_merge  # noqa: E402
from mergekit.options import MergeOptions  # noqa: E402

logging.disable(logging.WARNING)
torch.set_num_threads(threads)
os.chdir(os.path.dirname(recipe))
with open(recipe, encoding="utf-8") as file:
    config = MergeConfiguration.model_validate(yaml.safe_load(file))


def cpu():
    usage = resource.getrusage(resource.RUSAGE_SELF)
    return usage.ru_utime + usage.ru_stime


began, cpu_began = time.perf_counter(), cpu()
run_merge(config, out, MergeOptions(copy_tokenizer=False, write_model_card=False, quiet=True))
seconds, cpu_seconds = time.perf_counter() - began, cpu() - cpu_began
peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024
print(json.dumps({"seconds": seconds, "cpuSeconds": cpu_seconds, "peakBytes": peak}))
