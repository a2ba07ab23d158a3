#!/usr/bin/env bash
# On a machine with a network, in the root of the repository: fetches what a bare GPU machine lacks into out/gpu_day,
# and counts what has to travel there. Compiles nothing. README.md beside this file has the second step.
set -euo pipefail
here=$(dirname "$(realpath "${BASH_SOURCE[0]}")")
cd "$here/../.."
carried=out/gpu_day limit=$((64 * 1024 * 1024))
python=${PYTHON:-python3}
[ -x .venv/bin/python ] && python=${PYTHON:-.venv/bin/python}

# pip matches manylinux's numbers exactly.
platforms=()
for tag in manylinux_2_28 manylinux_2_27 manylinux_2_17 manylinux2014 manylinux1; do
    platforms+=(--platform "${tag}_x86_64")
done
wheels() { # wheels LIST FOLDER
    "$python" -m pip download -q --disable-pip-version-check --no-deps --only-binary=:all: \
        --python-version 3.12 --implementation cp "${platforms[@]}" -r "$1" -d "$2"
}

rm -rf "$carried" && mkdir -p "$carried"
wheels "$here/packages.txt" "$carried/packages"
wheels "$here/peers.txt" "$carried/peers"
# PyCUDA has no wheels: run.sh compiles it there.
"$python" -m pip download -q --disable-pip-version-check --no-deps --no-binary=pycuda pycuda==2026.1 -d "$carried/source"

git describe --always --dirty > "$carried/commit.txt"
(cd "$carried" && find packages peers source -type f -print0 | sort -z | xargs -0 sha256sum > SHA256SUMS)
travels=$({ git ls-files -z --cached --others --exclude-standard; find "$carried" -type f -print0; } |
    sort -zu | xargs -0 du -cb --apparent-size -- 2> /dev/null | awk '$2 == "total" { sum += $1 } END { print sum }')
awk -v n="$travels" -v of="$limit" \
    'BEGIN { printf "%.1f MiB travel (the repository and out/gpu_day), of %d MiB that may\n", n / 2^20, of / 2^20 }'
[ "$travels" -le "$limit" ]
