#!/bin/sh
# Makes bench/peers/.venv with numpy and PyTorch, the peers that the benchmarks compare with.
# The product never needs it. About 2 GB are downloaded and 4 GB of disk used: torch's x86-64 wheel links CUDA.
set -eu
here=$(CDPATH= cd -- "$(dirname -- "$0")" && pwd)
python=${PYTHON:-python3}
venv="$here/.venv"

if [ -x "$venv/bin/python" ] && [ -f "$venv/requirements.txt" ] &&
  cmp -s "$here/requirements.txt" "$venv/requirements.txt"; then
  echo "peers: $venv is up to date"
  exit 0
fi

"$python" -m venv "$venv"
"$venv/bin/python" -m pip install --quiet --no-cache-dir --no-deps -r "$here/requirements.txt"
"$venv/bin/python" - <<'PY'
import numpy, torch
x = torch.nn.Linear(8, 4)(torch.randn(3, 8)).sum()
x.backward()
print(f"peers: numpy {numpy.__version__}, torch {torch.__version__}")
PY
# Written last, so that an interrupted install is done again.
cp "$here/requirements.txt" "$venv/requirements.txt"
