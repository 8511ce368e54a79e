"""Makes the numbers in this folder: `python tests/reference/generate.py`.

They are outputs of this package with weights and inputs that a rule gives (`weight`, `images`,
`synthetic_heatmaps` and `synthetic_frame` of the tests), made while the same code gave the numbers
of MMPose, OSTrack and pycocotools within the tests' bars. The tests of equality run on them
wherever the reference's own numbers are missing: a change that moves a number fails both.
"""

from __future__ import annotations

import gzip
import json
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
import torch

HERE = Path(__file__).parent
for folder in ("", "models", "evaluation"):
    sys.path.insert(0, str(HERE.parent / folder))

import reference_cases  # noqa: E402
import test_codecs_reference as codec_tests  # noqa: E402
import test_crops_reference as crop_tests  # noqa: E402
import test_heatmap_pose as pose_tests  # noqa: E402

from aptv2 import crops  # noqa: E402
from aptv2.codecs import heatmaps as codecs  # noqa: E402
from aptv2.codecs.heatmaps import heatmap_targets  # noqa: E402
from aptv2.datasets.coco import parse_coco  # noqa: E402
from aptv2.evaluation import score_keypoints  # noqa: E402
from aptv2.evaluation.keypoints import ranked  # noqa: E402
from aptv2.models.registry import build  # noqa: E402
from aptv2.training.optimizers import layer_decay_groups  # noqa: E402
from aptv2.weights.mmpose import mmpose_name, to_mmpose  # noqa: E402

_BRANCHES = {"score": "ctr", "size": "size", "offset": "offset"}


def manifests() -> dict[str, dict[str, Any]]:
    """Names, shapes and dtypes of the state dicts, under the names of the official checkpoints."""
    found = {}
    for name, official in pose_tests.MANIFESTS.items():
        with torch.device("meta"):
            state = to_mmpose(build(name).state_dict())
        found[official] = described(state)
    with torch.device("meta"):
        tracker = build("vittrack_b").state_dict()
    # OSTrack keeps the class token and positions of the ViT that it started from.
    kept = {
        "backbone.cls_token": torch.empty(1, 1, 768),
        "backbone.pos_embed": torch.empty(1, 197, 768),
    }
    found["ostrack_vitb256"] = described(kept | {ostrack_name(k): v for k, v in tracker.items()})
    return found


def described(state: Mapping[str, torch.Tensor]) -> dict[str, Any]:
    return {name: [list(each.shape), str(each.dtype)[6:]] for name, each in state.items()}


def ostrack_name(name: str) -> str:
    kind, _, rest = name.partition(".")
    if kind == "positions":
        return f"backbone.pos_embed_{'z' if rest == 'template' else 'x'}"
    if kind == "centre":
        branch, layer, part = rest.split(".", 2)
        return f"box_head.conv{int(layer) + 1}_{_BRANCHES[branch]}.{part}"
    return name


def outputs(name: str) -> tuple[dict[str, np.ndarray], dict[str, Any]]:
    """What a pose network makes of the tests' input, in eval and in training mode."""
    arrays, about = {}, {}
    model = pose_tests.network(name)
    seen: dict[str, torch.Tensor] = {}

    def run() -> torch.Tensor:
        output = model(pose_tests.images(model.input_size))
        seen.update({key: each.clone() for key, each in to_mmpose(model.state_dict()).items()})
        return output

    made = pose_tests.outputs(name) | {"train_out": pose_tests.in_training(model, run)}
    for kind, output in made.items():
        arrays[kind] = pose_tests.sampled(output, 200)
        about[kind] = {
            "shape": list(output.shape),
            "mean": float(output.mean()),
            "std": float(output.std()),
        }
    means = [key for key in seen if key.endswith("running_mean")]
    for key in [*means[:3], *means[-3:]]:
        arrays[f"train_rm/{key}"] = seen[key].ravel()[:16].numpy()
        variance = key.replace("running_mean", "running_var")
        arrays[f"train_rv/{key}"] = seen[variance].ravel()[:16].numpy()
    arrays["preds"] = pose_tests.decoded(model, made["flip"]).astype(np.float32)
    return arrays, about


def decoding() -> dict[str, np.ndarray]:
    numbers = {}
    for seed in range(20):
        heatmaps, centres, scales = codec_tests.synthetic_heatmaps(seed)
        numbers[f"decode/{seed}/center"] = centres
        for mode, (decode, udp) in codec_tests.TestReference.DECODERS.items():
            found = decode(torch.from_numpy(heatmaps)).numpy()
            step = 200 * scales / (np.array(heatmaps.shape[:1:-1]) - udp)
            preds = found[..., :2] * step[:, None] + (centres - 100 * scales)[:, None]
            numbers[f"decode/{seed}/{mode}/preds"] = preds.astype(np.float32)
            numbers[f"decode/{seed}/{mode}/maxvals"] = found[..., 2:]
    heatmaps = torch.from_numpy(codec_tests.synthetic_heatmaps(100)[0])
    for shift, name in ((False, "out"), (True, "shifted")):
        turned = codec_tests.flip_back(heatmaps, codec_tests.ANIMAL17.flip, shift).numpy()
        numbers[f"flip_back/{name}"] = codec_tests.sampled(turned)
    return numbers


def pipeline(network: str, size: tuple[int, int]) -> tuple[dict[str, Any], dict[str, np.ndarray]]:
    """Crops of two synthetic frames, and targets, for annotations and as training draws them."""
    udp = network == "vit_base"
    rng = np.random.default_rng(0)
    cases: dict[str, Any] = {"val": [], "train": []}
    numbers = {}
    for inst, name in enumerate(("synthetic_0", "synthetic_1")):
        frame, box = crop_tests.synthetic_frame(name)
        box = crops.clean_boxes(box, frame.shape[:2])
        centres, extents = crops.crop_frames(box, size)
        matrix = crops.crop_matrices(centres, extents, size, udp=udp)
        picture = crop_tests.normalised(crops.sample(frame, matrix, size, antialias=False)[0])
        key = f"{network}/val/{inst}/img"
        numbers[key] = crop_tests.some_of(picture)
        numbers[f"{key}_rowmean"] = picture.mean(axis=2, dtype=float)
        cases["val"].append(
            {"image_file": name, "bbox": box[0].tolist(), "center": centres[0].tolist(),
             "scale": (extents[0] / 200).tolist(), "trans": matrix[0].tolist()}
        )  # fmt: skip
        for aug, (flip, factor, turn) in enumerate(
            ((0, 1.0, 0.0), (0, 1.2, 25.0), (1, 0.8, -40.0))
        ):
            clockwise = turn if udp != bool(flip) else -turn
            matrix = crops.crop_matrices(
                centres, extents * factor, size, rotation=clockwise, flip=bool(flip), udp=udp
            )
            picture = crop_tests.normalised(crops.sample(frame, matrix, size, antialias=False)[0])
            key = f"{network}/train/{aug}/{inst}/"
            keypoints = rng.uniform(-10, 1.05 * min(size), (17, 3)).astype(np.float32)
            visible = np.repeat(rng.integers(0, 2, (17, 1)), 3, axis=1).astype(np.float32)
            cells = (64, size[1] // 4)
            step = torch.tensor(codecs.crop_pixels(cells, size, udp))
            targets, weights = heatmap_targets(
                torch.from_numpy(keypoints[None, :, :2]) / step,
                torch.from_numpy(visible[None, :, 0]), cells, udp=udp,
            )  # fmt: skip
            maps = targets[0].numpy()
            places = np.flatnonzero(maps)
            places = places[:: max(1, len(places) // 100)][:100]
            numbers |= {
                f"{key}img": crop_tests.some_of(picture), f"{key}joints": keypoints,
                f"{key}visible": visible, f"{key}target_weight": weights[0].numpy()[:, None],
                f"{key}target": codec_tests.sampled(maps, 400), f"{key}target_nz_idx": places,
                f"{key}target_nz": maps.reshape(-1)[places],
                f"{key}target_peak": maps.max(axis=(1, 2)),
                f"{key}target_sum": maps.sum(axis=(1, 2), dtype=float),
                f"{key}target_argmax": maps.reshape(17, -1).argmax(axis=1),
            }  # fmt: skip
            cases["train"].append(
                {"aug": aug, "inst": inst, "flip": flip, "rot": turn, "scale_factor": factor,
                 "img": {"mean": float(picture.mean(dtype=float))},
                 "n_nonzero": int(np.count_nonzero(maps))}
            )  # fmt: skip
    return cases, numbers


def decay() -> dict[str, Any]:
    with torch.device("meta"):
        model = build("vitpose_b")
    groups = layer_decay_groups(model, rate=5e-4, weight_decay=0.0, layer_decay=0.9)
    listed = [
        {"group": each["name"], "lr": each["lr"], "lr_scale": each["lr_scale"],
         "weight_decay": each["weight_decay"], "n": len(each["params"]),
         "names": [mmpose_name(name) for name in each["names"]]}
        for each in groups
    ]  # fmt: skip
    return {"vit_base": {"groups": listed}}


def annotations() -> dict[str, Any]:
    """60 images of one to five animals, some of them of two species in nearly one pose."""
    rng = np.random.default_rng(0)
    images, listed = [], []
    for number in range(60):
        images.append(
            {"id": 1000 + number, "file_name": f"s_{number:04d}.jpg", "width": 640, "height": 480}
        )
        for _ in range(rng.integers(1, 5)):
            width, height = rng.uniform(30, 300, 2).round(1).tolist()
            x, y = rng.uniform(0, 300, 2).round(1).tolist()
            points = rng.uniform((x, y), (x + width, y + height), (17, 2)).round(1)
            flags = rng.integers(0, 3, 17)
            twins = 2 if rng.random() < 0.2 else 1
            for species in rng.choice(np.arange(1, 5), twins, replace=False):
                keypoints = np.column_stack([points + 0.2 * (twins - 1), flags])
                keypoints[flags == 0] = 0
                listed.append(
                    {"id": len(listed) + 1, "image_id": 1000 + number, "iscrowd": 0,
                     "category_id": int(species), "bbox": [x, y, width, height],
                     "area": width * height, "num_keypoints": int((flags > 0).sum()),
                     "keypoints": keypoints.ravel().tolist()}
                )  # fmt: skip
    species = [{"id": number, "name": f"species {number}"} for number in range(1, 5)]
    return {"images": images, "annotations": listed, "categories": species}


def evaluation() -> None:
    content = annotations()
    path = HERE / "eval_synth_gt.json.gz"
    path.write_bytes(gzip.compress(json.dumps(content).encode(), mtime=0))
    truth = parse_coco(content, path)
    real = truth[(truth.num_keypoints > 0) & ~truth.crowd]
    real = real[np.argsort(real.frame, kind="stable")]
    rng = np.random.default_rng(1)
    arrays = {}
    cases: dict[str, Any] = {
        "synth/instances": {"image_files": [real.frames.names[row] for row in real.frame]}
    }
    extents = 1.25 * real.boxes[:, 2:]
    for error in ("0.01", "0.05"):
        noise = rng.normal(size=(len(real), 17, 2)) * float(error)
        spread = noise * np.sqrt(real.boxes[:, 2] * real.boxes[:, 3])[:, None, None]
        points = np.nan_to_num(real.keypoints[..., :2]) + spread
        preds = np.concatenate([points, rng.random((len(real), 17, 1))], axis=2)
        arrays[f"synth/{error}/preds"] = preds.astype(np.float32)
        boxes = np.column_stack(
            [
                real.boxes[:, :2] + real.boxes[:, 2:] / 2,
                extents / 200,
                extents.prod(axis=1),
                np.ones(len(real)),
            ]
        )
        arrays[f"synth/{error}/boxes"] = boxes.astype(np.float32)
    np.savez_compressed(HERE / "eval.npz", **arrays)
    for error in ("0.01", "0.05"):
        name = f"synth/nms/{error}"
        cases[name] = {}
        (HERE / "eval.json").write_text(json.dumps(cases))
        _, truth, table = reference_cases.reference_case(HERE, name)
        scores = score_keypoints(truth, table, rescore=True, oks_nms=True)
        kept = ranked(table, True, True)
        rows = np.stack([truth.frames.ids[kept.frame], kept.species, kept.scores], axis=1)
        cases[name] = {
            "metrics": {
                name: float(np.nan_to_num(scores[key], nan=-1))
                for name, key in zip(reference_cases.NAMES, reference_cases.KEYS, strict=True)
            },
            "kept": len(kept),
            "rescored_first20": rows[:20].tolist(),
        }
    (HERE / "eval.json").write_text(json.dumps(cases))


def main() -> None:
    torch.set_num_threads(1)
    text = json.dumps(manifests())
    (HERE / "manifests.json.gz").write_bytes(gzip.compress(text.encode(), mtime=0))
    about = {}
    for name in ("res50", "vitpose_b"):
        official = pose_tests.MANIFESTS[name]
        arrays, about[official] = outputs(name)
        np.savez_compressed(HERE / f"out_{official}.npz", **arrays)
    (HERE / "models.json").write_text(json.dumps(about))
    numbers, cases = decoding(), {}
    for network, size in (("vit_base", (256, 192)), ("hrnet_w32", (256, 256))):
        cases[network], more = pipeline(network, size)
        numbers |= more
    np.savez_compressed(HERE / "pipeline.npz", **numbers)
    (HERE / "pipeline.json").write_text(json.dumps(cases))
    (HERE / "layer_decay.json").write_text(json.dumps(decay()))
    evaluation()


if __name__ == "__main__":
    main()
