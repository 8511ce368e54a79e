"""Every track of the benchmark in miniature, with its report, timed.

python perf/miniature.py [DATA] [-o RESULTS] [--official-splits]
"""

from __future__ import annotations

import argparse
import resource
import subprocess
import sys
import tempfile
import time
from pathlib import Path

SHARED = Path(__file__).resolve().parents[2] / "shared" / "data"
TRACKS = ("supervised", "zero-shot", "leave-one-out", "low-data", "tracking")
WITH_SPLITS = ("leave-one-out", "low-data", "tracking")  # that the authors published splits of


def main() -> None:
    """Run all, and print seconds."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("data", nargs="?", default=SHARED, type=Path)
    parser.add_argument("-o", "--output", type=Path)
    parser.add_argument("--official-splits", action="store_true")
    arguments = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        output = arguments.output or Path(folder) / "results"
        start = time.monotonic()
        for track in TRACKS:
            options = ["--data", arguments.data, "--miniature", "--train", "-o", output]
            if arguments.official_splits and track in WITH_SPLITS:
                options.append("--official-splits")
            timed(["bench", track, *options])
        timed(["bench", "report", output, "-o", output.with_name(f"{output.name}-report")])
        used = resource.getrusage(resource.RUSAGE_CHILDREN)
        print(
            f"all: {time.monotonic() - start:.0f} s, of which the processor "
            f"{used.ru_utime + used.ru_stime:.0f} s"
        )


def timed(arguments: list[object]) -> None:
    start = time.monotonic()
    command = [sys.executable, "-m", "aptv2", *map(str, arguments)]
    done = subprocess.run(command, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, check=False)
    last = done.stdout.decode().splitlines()[-2:]
    seconds = time.monotonic() - start
    print(f"{' '.join(command[3:5])}: {seconds:.0f} s, exit {done.returncode}; {last}", flush=True)


if __name__ == "__main__":
    main()
