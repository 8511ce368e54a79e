#!/usr/bin/env bash
# Train a recipe on the GPUs of this machine:
#   bash tools/dist_train.sh RECIPE GPUS [further options of `aptv2 train`]
# RECIPE may be a config of the APTv2 release: the recipe is found by the config's name.
# On several machines start `python -m aptv2 train RECIPE` with SLURM's srun (--ntasks-per-node=GPUS)
# or torchrun (--nproc_per_node GPUS): it sees how many there are.
set -euo pipefail
if [ $# -lt 2 ]; then
    echo "usage: bash tools/dist_train.sh RECIPE GPUS [options of aptv2 train]" >&2
    exit 2
fi
recipe=$1 gpus=$2
exec "${PYTHON:-python}" -m aptv2 train "$recipe" --devices "$gpus" "${@:3}"
