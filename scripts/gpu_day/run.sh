#!/usr/bin/env bash
# On the GPU machine, which needs no network: builds, tests and measures deepdrr, and writes the results to the folder
# that OUT names. `run.sh NAME …` runs those parts alone. README.md beside this file says what comes before.
exec "${PYTHON:-python3}" "$(dirname "$(realpath "${BASH_SOURCE[0]}")")/run.py" "$@"
