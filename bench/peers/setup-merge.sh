#!/bin/sh
# Makes bench/peers/.venv-merge with mergekit, the peer of `heddle merge`. PyTorch and numpy are those of bench/peers/.venv
# (setup.sh). The product never needs it. About 100 MB are downloaded.
set -eu
here=$(CDPATH= cd -- "$(dirname -- "$0")" && pwd)
base=${PEERS_VENV:-"$here/.venv"}
venv="$here/.venv-merge"
[ -x "$base/bin/python" ] || sh "$here/setup.sh"

if [ -f "$venv/requirements.txt" ] && cmp -s "$here/requirements-merge.txt" "$venv/requirements.txt"; then
  echo "peers: $venv is up to date"
  exit 0
fi
"$base/bin/python" -m venv "$venv"
site=$("$venv/bin/python" -c 'import sysconfig; print(sysconfig.get_path("purelib"))')
"$base/bin/python" -c 'import sysconfig; print(sysconfig.get_path("purelib"))' >"$site/peers.pth"
"$venv/bin/python" -m pip install --quiet --no-cache-dir --no-deps -r "$here/requirements-merge.txt"
"$venv/bin/python" -c 'import mergekit.merge; print("peers: mergekit imports")'
# Written last, so that an interrupted install is done again.
cp "$here/requirements-merge.txt" "$venv/requirements.txt"
