"""Peak memory of `aptv2 track` on a long video.

A DAVIS clip is played to and fro until there are 10,000 frames, encoded, and given to the command,
which detects the animals and writes all its files. The process's resident memory is read from
Linux's /proc while it runs; the peak is the kernel's own (VmHWM), of that process alone. Memory at
a quarter, half and all of the run's time shows whether it grows with the video.

    python perf/memory.py [--frames 10000]
"""

from __future__ import annotations

import subprocess
import sys
import tempfile
import time
from pathlib import Path

import numpy as np
from common import FPS, back_and_forth, machine, markdown, parser
from scenes import clip_folder

from aptv2.images import read_image
from aptv2.video.writer import VideoWriter

INTERVAL = 0.2  # seconds between two readings


def main() -> None:
    """Print the table."""
    arguments = parser(__doc__)
    arguments.add_argument("--clip", default="cows", help="DAVIS clip")
    arguments.add_argument("--frames", type=int, default=10_000)
    options = arguments.parse_args()
    with tempfile.TemporaryDirectory() as scratch:
        video = Path(scratch) / "long.mp4"
        write_long(clip_folder(options.data, options.clip), video, options.frames)
        output = str(Path(scratch) / "out")
        command = [sys.executable, "-m", "aptv2", "track", str(video), "-o", output]
        begin = time.perf_counter()
        resident, peak = watch(command)
        seconds = time.perf_counter() - begin
    at = [resident[round(share * (len(resident) - 1))] for share in (0.25, 0.5, 1)]
    row = [options.frames, *(f"{megabytes:.0f}" for megabytes in (peak, *at))]
    header = ["frames", "peak MB", "MB at a quarter", "at half", "at the end", "frames per second"]
    print(markdown(header, [[*row, f"{options.frames / seconds:.1f}"]]))
    print(f"\n{machine()}")


def write_long(folder: Path, path: Path, length: int) -> None:
    """Encode a clip's images to a video of `length` frames."""
    files = sorted(folder.glob("*.jpg"))
    frames = [read_image(file) for file in files]
    height, width = frames[0].shape[:2]
    with VideoWriter(path, width, height, FPS) as writer:
        for index in back_and_forth(len(frames), length):
            writer.write(frames[index])


def watch(command: list[str]) -> tuple[np.ndarray, float]:
    """Run a command; its resident memory over time and its peak, in MB of 1,000,000 bytes.

    Raises
    ------
    RuntimeError
        Where the command fails.
    """
    resident, peak = [0.0], 0.0
    with subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL) as process:
        status = Path(f"/proc/{process.pid}/status")
        while process.poll() is None:
            fields = dict(line.split(":", 1) for line in status.read_text().splitlines())
            if "VmRSS" in fields:  # not of a process that has just ended
                resident.append(_megabytes(fields["VmRSS"]))
                peak = max(peak, _megabytes(fields["VmHWM"]))
            time.sleep(INTERVAL)
    if process.returncode:
        raise RuntimeError(f"{' '.join(command)} failed with exit code {process.returncode}")
    return np.array(resident), peak


def _megabytes(field: str) -> float:
    return int(field.split()[0]) * 1024 / 1e6


if __name__ == "__main__":
    main()
