import dataclasses
from pathlib import Path

import keras
import pytest

from keras_inpaint.training.resuming import CHANGES, changes_table, check_changes
from keras_inpaint.training.settings import Settings

V1 = {"architecture": "deepfill_v1", "width": 8}


def make_settings(changes):
    return Settings(**{"data": "photos", "output": "run", "width": 8, **changes})


def test_each_setting_may_change_or_not():
    names = [name for change in CHANGES for name in change.names]
    assert sorted(names) == sorted(field.name for field in dataclasses.fields(Settings))


def test_table_of_the_docs_is_that_of_the_changes():
    page = (Path(__file__).parents[2] / "docs" / "training.md").read_text("utf-8")
    table = page.partition("changes_table() returns -->\n")[2].partition("<!-- end")[0]
    assert table == changes_table(), f"Write into docs/training.md:\n{changes_table()}"


@pytest.mark.parametrize(
    ("before", "now", "message"),
    [
        ({}, V1, "`architecture`: the weights fit no other network. Choose another `output`"),
        ({}, {"width": 16}, "or go on with width=8. Received: width=16 for 'run'"),
        ({}, {"critic_width": 16}, "begin with preset='p', or go on without `critic_width`"),
        (V1, {**V1, "image_size": 128}, "`image_size`: the critic of v1 .*with image_size=256"),
        (
            {"precision": "mixed_float16"},
            {"precision": "mixed_bfloat16"},
            "hold the scale .*with precision='mixed_float16'",
        ),
        ({}, {"precision": "mixed_float16"}, "or go on without `precision`"),
        ({"ema_momentum": 0.9}, {}, "from the first step on, .*with ema_momentum=0.9"),
        ({"freeze": ["coarse"]}, {}, r"with freeze=\['coarse'\]. Received: freeze=None"),
        ({}, {"freeze": ["coarse"]}, r"`freeze`: .*preset='p', or go on without `freeze`"),
        (
            {"batch_size": 10, "critic_steps": 5},
            {"batch_size": 10, "warmup_steps": 5},
            "`critic_steps`: a rate that rises .*with critic_steps=5",
        ),
    ],
    ids=lambda value: ",".join(value) if isinstance(value, dict) else "",
)
def test_change_is_refused_with_the_way_out(before, now, message):
    with pytest.raises(ValueError, match=message):
        check_changes(make_settings(before), make_settings(now), "p")


@pytest.mark.parametrize(
    ("before", "now"),
    [
        ({}, {"steps": 5, "batch_size": 3, "data": "others", "seed": 3, "image_size": 128}),
        ({}, {"learning_rate": 1e-3, "final_learning_rate": 1e-4, "warmup_steps": 3}),
        ({}, {"precision": "mixed_bfloat16"}),
        ({"precision": "float32"}, {}),
        ({"ema_momentum": 0.9}, {"ema_momentum": 0.99}),
        ({"batch_size": 10, "critic_steps": 5}, {}),
        ({"critic_steps": 0}, {"warmup_steps": 5}),
        ({}, {"masks": "masks", "validation": "others", "preset": "p"}),
    ],
    ids=lambda value: ",".join(value),
)
def test_change_is_allowed(before, now):
    assert keras.config.dtype_policy().name == "float32"
    check_changes(make_settings(before), make_settings(now), "p")
