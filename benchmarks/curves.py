"""Draws the learning curves of a training run, needs `pip install matplotlib`.

    python benchmarks/curves.py runs/mine/log.csv curves.png

A panel a measure of validation, one of the losses and one of the critic's scores, as far as the
logs have them; each log after the first one is drawn on where the one before it ends.
"""

import argparse
import csv

import matplotlib as mpl

mpl.use("Agg")
from matplotlib import pyplot as plt

PANELS = {
    "difference in the hole": ["val_hole_l1"],
    "PSNR, dB": ["val_psnr"],
    "SSIM": ["val_ssim"],
    "perceptual distance": ["val_perceptual"],
    "losses": ["hole_loss", "known_loss"],
    "perceptual loss": ["perceptual_loss"],
    "critic": ["real_score", "fake_score"],
}


def read_logs(paths):
    """Returns the points of each column, one log after the other, and the steps of the ends."""
    columns, ends = {}, [0]
    for path in paths:
        with open(path, newline="", encoding="utf-8") as file:
            rows = list(csv.DictReader(file))
        step = ends[-1]
        for row in rows:
            step = ends[-1] + int(row.pop("step"))
            for name, value in row.items():
                if value:
                    columns.setdefault(name, []).append((step, float(value)))
        ends.append(step)
    return columns, ends


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("logs", nargs="+", metavar="LOG", help="log.csv of a run")
    parser.add_argument("picture", help="file to write, such as curves.png")
    arguments = parser.parse_args()
    columns, ends = read_logs(arguments.logs)
    panels = {
        title: [name for name in names if name in columns] for title, names in PANELS.items()
    }
    panels = {title: names for title, names in panels.items() if names}
    size = (3.2 * len(panels), 2.6)
    figure, axes = plt.subplots(1, len(panels), figsize=size, squeeze=False)
    for axis, (title, names) in zip(axes[0], panels.items(), strict=True):
        for name in names:
            axis.plot(*zip(*columns[name], strict=True), label=name, linewidth=1)
        for end in ends[1:-1]:
            axis.axvline(end, color="grey", linewidth=0.5)
        axis.set(title=title, xlabel="step")
        axis.locator_params(axis="x", nbins=4)
        if len(names) > 1:
            axis.legend(fontsize="small")
    figure.tight_layout()
    figure.savefig(arguments.picture, dpi=100)
    print(arguments.picture)


if __name__ == "__main__":
    main()
