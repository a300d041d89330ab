"""Draws the learning curves of a training run, needs `pip install matplotlib`.

    python benchmarks/curves.py runs/mine/log.csv curves.png

A panel a measure of validation, and one of the losses; each log after the first one is
drawn on where the one before it ends.
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
    "losses": ["generator_loss", "hole_loss", "known_loss"],
}


def read_logs(paths):
    """Returns the columns of the logs, one after the other, and the steps where each ends."""
    columns, ends = {"step": []}, [0]
    for path in paths:
        with open(path, newline="", encoding="utf-8") as file:
            rows = list(csv.DictReader(file))
        for row in rows:
            columns["step"].append(ends[-1] + int(row["step"]))
            for name, value in row.items():
                if name != "step":
                    columns.setdefault(name, []).append(float(value))
        ends.append(columns["step"][-1])
    return columns, ends


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("logs", nargs="+", metavar="LOG", help="log.csv of a run")
    parser.add_argument("picture", help="file to write, such as curves.png")
    arguments = parser.parse_args()
    columns, ends = read_logs(arguments.logs)
    figure, axes = plt.subplots(1, len(PANELS), figsize=(3.2 * len(PANELS), 2.6))
    for axis, (title, names) in zip(axes, PANELS.items(), strict=True):
        for name in names:
            axis.plot(columns["step"], columns[name], label=name, linewidth=1)
        for end in ends[1:-1]:
            axis.axvline(end, color="grey", linewidth=0.5)
        axis.set(title=title, xlabel="step")
        if len(names) > 1:
            axis.legend(fontsize="small")
    figure.tight_layout()
    figure.savefig(arguments.picture, dpi=100)
    print(arguments.picture)


if __name__ == "__main__":
    main()
