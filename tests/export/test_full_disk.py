"""Every format on a disk that is full: one sentence, what was there stays, and no crash."""

from __future__ import annotations

import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import pytest

from aptv2.export.formats import FORMATS
from aptv2.tables import Frames, PoseTable

_WRITE = """
import resource, signal, sys
from pathlib import Path
import numpy as np
from aptv2.errors import InputError
from aptv2.export.formats import FORMATS
from aptv2.tables import Frames, PoseTable

signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
frames = Frames.make(300, indices=np.arange(300), times=np.arange(300) / 25, sizes=[[64, 48]] * 300)
rng = np.random.default_rng(0)
keypoints = rng.uniform(1, 40, (300, 17, 3)).astype(np.float32) % 1
table = PoseTable.make(
    frames, np.arange(300), boxes=rng.uniform(1, 40, (300, 4)), keypoints=keypoints,
    scores=rng.uniform(0, 1, 300), tracks=np.ones(300),
)
folder = Path(sys.argv[1])
resource.setrlimit(resource.RLIMIT_FSIZE, (5000, 5000))
for name in sys.argv[2:]:
    path = folder / ("clip" + FORMATS[name].suffix)
    try:
        FORMATS[name].write(table, path)
    except InputError as error:
        print(name, error)
"""


@pytest.mark.skipif(sys.platform != "linux", reason="a limit on the size of files is the full disk")
def test_a_full_disk_is_one_sentence_and_leaves_what_was_there(tmp_path: Path) -> None:
    names = [name for name, found in FORMATS.items() if found.available and not found.folder]
    assert {"csv", "coco", "mot"} < set(names)
    for name in names:
        (tmp_path / f"clip{FORMATS[name].suffix}").write_text("good")
    # In a process of its own: HDF5 used to end it.
    done = subprocess.run(
        [sys.executable, "-c", _WRITE, str(tmp_path), *names], capture_output=True, text=True
    )
    assert done.returncode == 0, done.stderr
    for name, line in zip(names, done.stdout.splitlines(), strict=True):
        path = tmp_path / f"clip{FORMATS[name].suffix}"
        assert line.startswith(f"{name} {path} cannot be written: ")
        assert line.endswith("File too large.")
        assert path.read_text() == "good"
    assert len(list(tmp_path.iterdir())) == len(names)


def test_deeplabcut_files_are_equal_from_run_to_run(tmp_path: Path) -> None:
    if not FORMATS["dlc"].available:
        pytest.skip("needs pandas and tables")
    table = PoseTable.make(
        Frames.make(3, indices=np.arange(3)),
        np.arange(3),
        keypoints=np.full((3, 17, 3), 0.5),
        scores=np.ones(3),
        tracks=np.ones(3),
    )
    contents = []
    for number in range(2):
        path = tmp_path / f"{number}.h5"
        FORMATS["dlc"].write(table, path)
        contents.append(path.read_bytes())
        time.sleep(1.1)  # HDF5 counts seconds.
    assert contents[0] == contents[1]
