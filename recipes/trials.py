"""Tries settings of a training one at a time, and tabulates what each does to the filling.

    python recipes/trials.py recipes/on_trial/terms.json --train train/ general/ \
        --held-out held-out.txt --judge validation/ --output trials/

Every trial starts from the same networks and the same seed, and changes what the JSON file
says of it. Each is judged with the weights as they are, and with their average. What is
measured are the ratios to Telea's method on the same holes, boxes and strokes, on photos that
no trial has seen; perceptual distances by two networks that no trial was trained with. A trial
that has a row in `trials.csv` is not run again.
"""

import argparse
import csv
import dataclasses
import functools
import json
import os
import statistics
import time
from pathlib import Path
from typing import Any, NamedTuple

os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "2")

import keras

import keras_inpaint as ki
from keras_inpaint.data import find_photos
from keras_inpaint.evaluation.features import read_weights
from keras_inpaint.losses import HingeObjective
from keras_inpaint.masks import Boxes, Mixture, Strokes
from keras_inpaint.metrics import PerceptualDistance
from keras_inpaint.models import EfficientNetLite
from keras_inpaint.training.building import build

HOLES = ("boxes", "strokes")


@dataclasses.dataclass(frozen=True)
class Trial:
    """What can be changed: the JSON file's names are the arguments.

    Args:
        preset: str or `None`. What to start from; new networks unless given.
        width, critic_width: ints. Of new networks.
        image_size: int. Side of the images, in pixels.
        batch_size: int.
        steps: int.
        learning_rate: float. Reached after a tenth of the steps, and falling from there
            along half a cosine.
        critic_factor: float. The critic's learning rate in proportion.
        hole, known, adversarial, perceptual: floats. Weights of the terms.
        network: str. The perceptual loss's.
        layer_weights: list of floats or `None`, see `PerceptualDistance`.
        ema_momentum: float in `[0, 1)`, or `None`. Momentum of the average of the weights.
        box_share: float, in `[0, 1]`. Part of the holes that are boxes.
        box_scale: float. Side of the boxes in proportion to the images'.
        attention_scale, paste: float and str, or `None` for the preset's own: how the attention
            chooses and copies, see `keras_inpaint.layers.ContextualAttention`.
        seed: int.
    """

    preset: str | None = None
    width: int = 16
    critic_width: int = 16
    image_size: int = 64
    batch_size: int = 16
    steps: int = 500
    learning_rate: float = 5e-4
    critic_factor: float = 1.0
    hole: float = 60.0
    known: float = 8.0
    adversarial: float = 1.0
    perceptual: float = 0.0
    network: str = "efficientnet-lite2"
    layer_weights: list[float] | None = None
    ema_momentum: float | None = 0.99
    box_share: float = 0.5
    box_scale: float = 0.5
    attention_scale: float | None = None
    paste: str | None = None
    seed: int = 0


def main() -> None:
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("trials", type=Path, help="JSON file: a dict of changes by name")
    parser.add_argument("--train", nargs="+", required=True, help="folders of photos")
    parser.add_argument("--held-out", type=Path, help="text file of names not to train with")
    parser.add_argument("--judge", nargs="+", required=True, help="photos to judge by")
    parser.add_argument("--photos", type=int, default=60, help="how many to judge by at most")
    parser.add_argument(
        "--networks",
        nargs="+",
        default=["efficientnet-lite0", "efficientnet-lite1"],
        help="what to judge by, see `keras_inpaint.evaluation.load_features`",
    )
    parser.add_argument("--only", nargs="+", help="names of trials")
    parser.add_argument("--output", type=Path, required=True, help="folder to write to")
    options = parser.parse_args()
    options.output.mkdir(parents=True, exist_ok=True)
    held_out = set(options.held_out.read_text("utf-8").split()) if options.held_out else set()
    photos = [path for source in options.train for path in find_photos(source)]
    photos = [path for path in photos if Path(path).name not in held_out]
    judged = [path for source in options.judge for path in find_photos(source)]
    judged = judged[:: max(1, len(judged) // options.photos)][: options.photos]
    table = options.output / "trials.csv"
    done = {row["trial"] for row in read_rows(table)}
    changes: dict[str, dict[str, Any]] = json.loads(options.trials.read_text("utf-8"))
    for name, change in changes.items():
        if (options.only and name not in options.only) or name in done:
            continue
        run(name, Trial(**change), photos, judged, options.networks, options.output)
    print(markdown(read_rows(table)))


def run(
    name: str,
    trial: Trial,
    photos: list[str],
    judged: list[str],
    networks: list[str],
    output: Path,
) -> None:
    """Trains, and writes the rows of the weights and of their average."""
    start = time.monotonic()
    gan = make_model(trial)
    if trial.steps:
        batches = ki.data.photos(
            photos, trial.image_size, trial.batch_size, repeat=True, seed=trial.seed
        )
        gan.fit(batches, epochs=1, steps_per_epoch=trial.steps, shuffle=False, verbose=2)
    minutes = (time.monotonic() - start) / 60
    found = judge(gan.generator, trial, judged, networks)
    append(output, name, "weights", minutes, found)
    if trial.steps and trial.ema_momentum is not None:
        found = judge(gan.ema_generator, trial, judged, networks)
        append(output, name, "average", minutes, found)
    # The average, where there is one.
    gan.save_to_preset(output / name, {"image_size": trial.image_size})


def make_model(trial: Trial) -> Any:
    settings = ki.training.Settings(
        "photos",
        "run",
        width=None if trial.preset else trial.width,
        critic_width=None if trial.preset else trial.critic_width,
        image_size=trial.image_size,
        preset=trial.preset,
        seed=trial.seed,
    )
    parts = build(settings)
    attention = parts.generator.refine_network.attention
    attention.scale = trial.attention_scale or attention.scale
    attention.paste = trial.paste or attention.paste
    perceptual = None
    if trial.perceptual:
        network = EfficientNetLite(read_weights(trial.network))
        perceptual = PerceptualDistance(network, trial.layer_weights)
    objective = HingeObjective(perceptual=perceptual)
    gan = ki.InpaintingGAN(
        parts.generator,
        parts.critic,
        objective,
        holes(trial),
        trial.seed,
        ema_momentum=trial.ema_momentum if trial.steps else None,
    )
    beta_1, beta_2 = objective.adam_betas
    weights = {"hole": trial.hole, "known": trial.known, "adversarial": trial.adversarial}
    if perceptual is not None:
        weights["perceptual"] = trial.perceptual
    gan.compile(
        keras.optimizers.Adam(schedule(trial, trial.learning_rate), beta_1, beta_2),
        keras.optimizers.Adam(
            schedule(trial, trial.learning_rate * trial.critic_factor), beta_1, beta_2
        ),
        loss_weights=weights,
        critic_steps=1 if trial.adversarial else 0,
    )
    return gan


def schedule(trial: Trial, rate: float) -> Any:
    warm_up = max(1, trial.steps // 10)
    return keras.optimizers.schedules.CosineDecay(
        0.01 * rate,
        max(1, trial.steps - warm_up),
        0.02,
        warmup_target=rate,
        warmup_steps=warm_up,
    )


def holes(trial: Trial) -> Any:
    side = round(trial.box_scale * trial.image_size)
    widths = max(1, 12 * trial.image_size // 256), max(1, 40 * trial.image_size // 256)
    samplers = [Boxes(side, side, jitter=side // 8), Strokes(widths=widths)]
    return Mixture(samplers, [trial.box_share, 1.0 - trial.box_share])


def judge(
    generator: Any, trial: Trial, photos: list[str], networks: list[str]
) -> dict[str, float]:
    """Each metric in proportion to Telea's, by kind of hole."""
    mine = measure(ki.Inpainter(generator).inpaint, trial.image_size, photos, networks)
    classical = measure_classical(trial.image_size, tuple(photos), tuple(networks))
    return {title: mine[title] / classical[title] for title in mine}


@functools.cache
def measure_classical(
    image_size: int, photos: tuple[str, ...], networks: tuple[str, ...]
) -> dict[str, float]:
    fill = ki.evaluation.baselines()["telea"]
    return measure(fill, image_size, list(photos), list(networks))


def measure(
    fill: Any, image_size: int, photos: list[str], networks: list[str]
) -> dict[str, float]:
    measured = {}
    for kind in HOLES:
        evaluation = ki.evaluate(
            Filling("filling", fill), photos, kind, image_size, features=networks
        )
        means = evaluation.means("filling")
        measured[f"L1, {kind}"] = means["hole_l1"]
        for index, network in enumerate(networks):
            suffix = f" ({network})" if index else ""
            measured[f"perceptual by {network}, {kind}"] = means[f"perceptual{suffix}"]
            measured[f"Frechet by {network}, {kind}"] = means[f"frechet{suffix}"]
    return measured


class Filling(NamedTuple):
    """What `evaluate` asks of an inpainter."""

    name: str
    inpaint: Any


def append(
    output: Path, name: str, kind: str, minutes: float, ratios: dict[str, float]
) -> None:
    mean = statistics.fmean(ratios.values())
    row = {"trial": name, "of": kind, "minutes": f"{minutes:.1f}", "mean": f"{mean:.4f}"}
    row |= {title: f"{value:.4f}" for title, value in ratios.items()}
    with (output / "trials.csv").open("a", newline="", encoding="utf-8") as file:
        writer = csv.DictWriter(file, list(row))
        if file.tell() == 0:
            writer.writeheader()
        writer.writerow(row)
    print(json.dumps(row), flush=True)


def read_rows(table: Path) -> list[dict[str, str]]:
    if not table.exists():
        return []
    with table.open(newline="", encoding="utf-8") as file:
        return list(csv.DictReader(file))


def markdown(rows: list[dict[str, str]]) -> str:
    if not rows:
        return "Nothing was tried."
    titles = list(rows[0])
    lines = ["| " + " | ".join(titles) + " |", "|" + "---|" * len(titles)]
    lines += ["| " + " | ".join(row[title] for title in titles) + " |" for row in rows]
    return "\n".join(lines)


if __name__ == "__main__":
    main()
