#!/usr/bin/env bash
# Train a recipe on the GPUs of this machine:
#   bash tools/dist_train.sh RECIPE GPUS [further options of `aptv2 train`]
# On several machines run it on each under SLURM's srun or torchrun, with --nodes.
set -euo pipefail
if [ $# -lt 2 ]; then
    echo "usage: bash tools/dist_train.sh RECIPE GPUS [options of aptv2 train]" >&2
    exit 2
fi
recipe=$1 gpus=$2
exec "${PYTHON:-python}" -m aptv2 train "$recipe" --devices "$gpus" "${@:3}"
