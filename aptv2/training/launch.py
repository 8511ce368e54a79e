"""Number of processes that torchrun or SLURM started."""

from __future__ import annotations

import os
from typing import NamedTuple

from aptv2.errors import InputError

# Names of SLURM jobs in which commands are typed, so that nothing was started for them.
_BY_HAND = ("bash", "interactive")
# Unlike SLURM_NTASKS, srun alone sets this: sbatch may ask for tasks and start one process.
_STARTED_BY_SRUN = "SLURM_STEP_NUM_TASKS"


class Launch(NamedTuple):
    """Processes of each machine, and machines."""

    devices: int = 1
    nodes: int = 1


def launch(devices: int | None = None, nodes: int | None = None) -> Launch:
    """Layout of the processes that were started, or that are asked for where there is only one.

    Parameters
    ----------
    devices, nodes
        What is asked for; None where that was left open.

    Raises
    ------
    InputError
        Where something else was started than is asked for, or one process of a SLURM job whose
        others it would wait for.
    """
    started = _started()
    if started is None:
        return Launch(devices or 1, nodes or 1)
    launcher, found = started
    if found != (devices or found.devices, nodes or found.nodes):
        wanted = devices or found.devices
        how = "torchrun --nproc_per_node" if launcher == "torchrun" else "srun --ntasks-per-node"
        raise InputError(
            f"{launcher} started {found.devices} processes on each of {found.nodes} machines, "
            f"not {wanted} on each of {nodes or found.nodes}; leave --devices and --nodes out, or "
            f"start as many ({how}={wanted})."
        )
    return found


def refuse_launchers(command: str) -> None:
    """Refuse that each of several processes does the whole of a command that starts its own.

    Raises
    ------
    InputError
        Where torchrun or srun started this process beside others.
    """
    said = os.environ
    torchrun = "TORCHELASTIC_RUN_ID" in said
    launcher, variable = ("torchrun", "WORLD_SIZE") if torchrun else ("srun", _STARTED_BY_SRUN)
    count = int(said.get(variable, 1))
    if count > 1:
        raise InputError(
            f"{launcher} started {count} processes, but aptv2 {command} starts its own: run it "
            f"once, without {launcher}, with --devices {count}"
        )


def _started() -> tuple[str, Launch] | None:
    """Launcher that started this process beside others, and their number."""
    said = os.environ
    if "TORCHELASTIC_RUN_ID" in said:
        devices = int(said["LOCAL_WORLD_SIZE"])
        return "torchrun", Launch(devices, int(said["WORLD_SIZE"]) // devices)
    if "SLURM_NTASKS" in said and said.get("SLURM_JOB_NAME") not in _BY_HAND:
        tasks, nodes = int(said["SLURM_NTASKS"]), int(said.get("SLURM_NNODES", 1))
        if tasks > 1 and _STARTED_BY_SRUN not in said:
            raise InputError(
                f"this SLURM job has {tasks} tasks, but one process of it was started, which would "
                "wait for the others; put srun before the command."
            )
        return "SLURM", Launch(tasks // nodes, nodes)
    return None
