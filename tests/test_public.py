"""The public surface: names and parameters that other people's programs rely on."""

from __future__ import annotations

import inspect
import subprocess
import sys

import pytest

import aptv2
from aptv2.errors import BrokenVideoError, InputError

SIGNATURES = {
    "load_pose_model": ["name", "weights=None", "device=None", "dtype='float32'"],
    "load_tracker": ["name", "weights=None", "device=None", "dtype='float32'"],
    "read_annotations": ["path"],
    "score_keypoints": ["ground_truth", "predictions", "rescore=False", "oks_nms=False"],
    "track_video": ["source", "output=None"],
}


@pytest.mark.parametrize("name", aptv2.__all__)
def test_every_name_is_there(name: str) -> None:
    assert hasattr(aptv2, name)
    assert name in dir(aptv2)


@pytest.mark.parametrize("name", SIGNATURES)
def test_parameters_may_grow_but_not_change(name: str) -> None:
    promised = SIGNATURES[name]
    parameters = list(inspect.signature(getattr(aptv2, name)).parameters.values())
    for parameter, promise in zip(parameters, promised, strict=False):
        wanted, _, default = promise.partition("=")
        assert parameter.name == wanted
        assert parameter.kind is inspect.Parameter.POSITIONAL_OR_KEYWORD
        if default:
            assert repr(parameter.default) == default
    assert len(parameters) >= len(promised)
    for parameter in parameters[len(promised) :]:
        assert parameter.default is not inspect.Parameter.empty


def test_what_the_methods_are_called() -> None:
    from aptv2.models.lite.tracker import LiteTracker
    from aptv2.models.pose.base import PoseModel

    for owner, methods in (
        (PoseModel, ("forward", "forward_flip", "predict")),
        (LiteTracker, ("start", "step", "add")),
    ):
        assert all(callable(getattr(owner, method)) for method in methods)
    assert list(inspect.signature(PoseModel.predict).parameters)[:3] == ["self", "frame", "boxes"]
    assert list(inspect.signature(LiteTracker.start).parameters) == ["self", "frame", "boxes"]


@pytest.mark.parametrize("heavy", ["torch", "cv2", "av", "timm", "lightning"])
def test_importing_the_package_loads_little(heavy: str) -> None:
    code = f"import sys, aptv2; aptv2.InputError; raise SystemExit({heavy!r} in sys.modules)"
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0


def test_an_unknown_name() -> None:
    with pytest.raises(AttributeError, match="module 'aptv2' has no attribute 'load_everything'"):
        aptv2.load_everything  # noqa: B018


def test_errors_of_the_user() -> None:
    assert issubclass(InputError, ValueError)
    assert issubclass(BrokenVideoError, InputError)
    assert str(InputError("clip.mp4: is empty")) == "clip.mp4: is empty"
