"""Speed of the pose networks: float32, "auto" and ONNX Runtime, and ViTPose beside transformers'.

Random weights and pictures. All candidates of a network take turns in one process on one thread;
the ratio to float32 is taken within each round: median and quartiles. Times are processor time, so
that what else the machine does counts for none. Each file for ONNX Runtime is written as `aptv2
weights export` does it, which compares its heatmaps with torch's. "auto" is bfloat16 where the
processor computes with it.

With a GPU the columns are images a second, share of the chip's peak and memory.

    python perf/model_speed.py
    python perf/model_speed.py --only vitpose_b lite
    python perf/model_speed.py --device cuda --batches 1 32 256 --peak 989
"""

from __future__ import annotations

import argparse
import gc
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

import numpy as np
import torch
from common import machine, markdown
from torch import Tensor, nn
from torch.utils.flop_counter import FlopCounterMode

import aptv2
from aptv2.models.devices import best_device, fast_dtype
from aptv2.models.onnx_export import export_onnx
from aptv2.models.registry import names

LEAST, MOST = 3, 50  # rounds
# ViTPose-H, which the paper does not use, takes 10 GB.
NETWORKS = [name for name in names("pose") if name != "vitpose_h"]


def main() -> None:
    """Print a table."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--only", nargs="+", choices=names("pose"), default=NETWORKS)
    parser.add_argument("--batches", nargs="+", type=int, default=[1, 8])
    parser.add_argument("--seconds", type=float, default=15, help="of rounds, a line of the table")
    parser.add_argument("--device", default=str(best_device()))
    parser.add_argument("--peak", type=float, help="of the GPU in the fast type, TFLOPS")
    options = parser.parse_args()
    torch.set_num_threads(1)
    torch.manual_seed(0)
    table = cpu_table if options.device == "cpu" else gpu_table
    print(table(options))
    print(f"\n{machine()}")


def cpu_table(options: argparse.Namespace) -> str:
    """Images a second in float32, and how many times as many the others do."""
    header = ["network", "batch", "float32, images a second", "auto", "ONNX Runtime"]
    header += ["transformers, float32", "transformers, auto"]
    rows: list[list[object]] = []
    for name in options.only:
        with tempfile.TemporaryDirectory() as folder:
            networks = candidates(name, Path(folder))
        size = networks["float32"].input_size
        for batch in options.batches:
            seconds = take_turns(networks, torch.randn(batch, 3, *size), options.seconds)
            speed = batch / np.median(seconds[:, 0])
            ratios = [spread(seconds[:, :1] / seconds[:, [i]]) for i in range(1, seconds.shape[1])]
            row = [name, batch, f"{speed:.1f}", *ratios]
            rows.append(row + [""] * (len(header) - len(row)))
            print(f"{row}, {len(seconds)} rounds", flush=True)
        del networks
        gc.collect()
    return "\n" + markdown(header, rows)


def candidates(name: str, folder: Path) -> dict[str, nn.Module]:
    """Candidates of the comparison, float32 first."""
    exact = aptv2.load_pose_model(name, "random", "cpu")
    export_onnx(exact, name, folder / "network.onnx")
    networks: dict[str, nn.Module] = {
        "float32": exact,
        "auto": aptv2.load_pose_model(name, "random", "cpu", "auto"),
        "ONNX Runtime": aptv2.load_pose_model(str(folder / "network.onnx"), device="cpu"),
    }
    if name == "vitpose_b":
        networks["transformers, float32"] = transformers_vitpose(torch.float32)
        networks["transformers, auto"] = transformers_vitpose(fast_dtype(torch.device("cpu")))
    return networks


def transformers_vitpose(dtype: torch.dtype) -> nn.Module:
    """VitPose of Hugging Face's transformers in the size of ViTPose-B, with random weights."""
    from transformers import VitPoseBackboneConfig, VitPoseConfig, VitPoseForPoseEstimation

    backbone = VitPoseBackboneConfig(image_size=(256, 192), out_indices=[12])
    config = VitPoseConfig(backbone_config=backbone, use_simple_decoder=False, num_labels=17)
    return Cast(VitPoseForPoseEstimation(config).eval().to(dtype), dtype)


class Cast(nn.Module):
    """A network that is given float32, like ours."""

    def __init__(self, network: nn.Module, dtype: torch.dtype) -> None:
        super().__init__()
        self.network, self.dtype = network, dtype

    def forward(self, images: Tensor) -> Tensor:
        return self.network(images.to(self.dtype)).heatmaps


@torch.inference_mode()
def take_turns(networks: dict[str, nn.Module], images: Tensor, seconds: float) -> np.ndarray:
    """Seconds of each round (rounds, networks)."""
    warm_up = sum(clock(lambda n=n: n(images)) for n in networks.values())
    rounds = int(np.clip(seconds / warm_up, LEAST, MOST))
    taken = np.zeros((rounds, len(networks)))
    for row in taken:
        for column, network in enumerate(networks.values()):
            row[column] = clock(lambda network=network: network(images))
    return taken


def clock(action: Callable[[], object]) -> float:
    """Seconds of processor time that an action takes."""
    begin = time.process_time()
    action()
    return time.process_time() - begin


def spread(ratios: np.ndarray) -> str:
    """Median and quartiles."""
    low, middle, high = np.percentile(ratios, [25, 50, 75])
    return f"{middle:.2f}x ({low:.2f} to {high:.2f})"


@torch.inference_mode()
def gpu_table(options: argparse.Namespace) -> str:
    """Images a second, share of the peak and memory on a GPU."""
    device = torch.device(options.device)
    rows: list[list[object]] = []
    for name in options.only:
        for dtype in ("float32", "auto"):
            network = aptv2.load_pose_model(name, "random", device, dtype)
            for batch in options.batches:
                images = torch.randn(batch, 3, *network.input_size, device=device)
                with FlopCounterMode(display=False) as counter:
                    network(images)
                torch.cuda.reset_peak_memory_stats(device)
                taken = []
                for _ in range(MOST):
                    torch.cuda.synchronize(device)
                    begin = time.perf_counter()
                    network(images)
                    torch.cuda.synchronize(device)
                    taken.append(time.perf_counter() - begin)
                middle = float(np.median(taken))
                share = counter.get_total_flops() / middle / 1e12 / (options.peak or np.nan)
                memory = torch.cuda.max_memory_allocated(device) / 2**20
                rows.append([name, dtype, batch, f"{batch / middle:.0f}", f"{share:.1%}"])
                rows[-1].append(f"{memory:.0f}")
    header = ["network", "type", "batch", "images a second", "share of the peak", "memory, MiB"]
    return markdown(header, rows)


if __name__ == "__main__":
    main()
