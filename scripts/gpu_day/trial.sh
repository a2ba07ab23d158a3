#!/usr/bin/env bash
# A trial of the GPU day without a GPU, after prepare.sh: trial.sh PYTHON [PART …], PYTHON the path of a Python 3.12 that
# has what a GPU machine has (README.md). As there: a copy of the tree, nothing built, no network, no home; as root.
set -euo pipefail
cd "$(dirname "$(realpath "${BASH_SOURCE[0]}")")/../.."
python=$1
copy=$PWD/out/gpu_day_trial
[ $# -gt 1 ] || rm -rf "$copy" # named parts build on what is there, as on a machine that is still held
mkdir -p "$copy/repository" "$copy/out" "$copy/home"
find "$copy/repository" -type f -not -path "$copy/repository/out/*" -not -name '_kernels_*' -delete
{ git ls-files -z --cached --others --exclude-standard; find out/gpu_day -type f -print0; } |
    tar c --null -T - | tar x -C "$copy/repository"
exec unshare -n env -i HOME="$copy/home" PATH="$(dirname "$python"):/usr/local/bin:/usr/bin:/bin" OUT="${OUT:-$copy/out}" \
    GPU_DAY_DRIVER=software GPU_DAY_MINUTES="${GPU_DAY_MINUTES:-30}" GPU_DAY_ARCHITECTURE=90 GPU_DAY_WORKERS=2 \
    GPU_DAY_TEST_SECONDS="${GPU_DAY_TEST_SECONDS:-300}" PYTHON="$python" bash "$copy/repository/scripts/gpu_day/run.sh" "${@:2}"
