"""Text files, whole or not at all."""

import json
import math

import pytest

from keras_inpaint.files import write_json, write_table, write_text


def test_text_is_utf_8_and_replaces(tmp_path):
    for text in ("before\n", "größer ≥ 1\n"):
        write_text(tmp_path / "a.md", text)
        assert (tmp_path / "a.md").read_bytes() == text.encode()
    assert [path.name for path in tmp_path.iterdir()] == ["a.md"]


def test_json_is_for_people_too_and_has_no_nan(tmp_path):
    content = {"name": "Müller", "steps": [1, 2]}
    write_json(tmp_path / "a.json", content)
    text = (tmp_path / "a.json").read_text("utf-8")
    assert json.loads(text) == content
    assert '\n  "name": "Müller"' in text
    assert text.endswith("}\n")
    with pytest.raises(ValueError, match="not JSON compliant"):
        write_json(tmp_path / "a.json", {"psnr": math.inf})
    assert json.loads((tmp_path / "a.json").read_text("utf-8")) == content


def test_table_has_its_columns_and_leaves_what_is_missing_empty(tmp_path):
    write_table(tmp_path / "a.csv", ["step", "l1"], [{"step": 1, "l1": 0.5}, {"step": 2}])
    assert (tmp_path / "a.csv").read_text() == "step,l1\n1,0.5\n2,\n"
