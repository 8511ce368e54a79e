#!/usr/bin/env bash
# Test a checkpoint on the GPUs of this machine:
#   bash tools/dist_test.sh RECIPE CHECKPOINT GPUS [further options of `aptv2 test`]
# RECIPE may be a config of the APTv2 release: the recipe is found by the config's name.
set -euo pipefail
if [ $# -lt 3 ]; then
    echo "usage: bash tools/dist_test.sh RECIPE CHECKPOINT GPUS [options of aptv2 test]" >&2
    exit 2
fi
recipe=$1 checkpoint=$2 gpus=$3
exec "${PYTHON:-python}" -m aptv2 test "$recipe" "$checkpoint" --devices "$gpus" "${@:4}"
