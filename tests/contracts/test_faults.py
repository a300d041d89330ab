"""Each row of the table of faults in docs/training.md names a test that there is."""

import re
from pathlib import Path

ROOT = Path(__file__).parents[2]
ROW = re.compile(r"^\|[^|]+\|[^|]+\| `([\w/]+\.py)::(\w+)` \|$")


def test_each_fault_has_its_test():
    text = (ROOT / "docs" / "training.md").read_text("utf-8")
    table = text.partition("<!-- faults")[2].partition("<!-- end of faults -->")[0]
    rows = [line for line in table.splitlines() if line.startswith("|")][2:]
    assert len(rows) >= 20
    for row in rows:
        found = ROW.match(row)
        assert found, row
        source = (ROOT / "tests" / found[1]).read_text("utf-8")
        assert re.search(rf"^def {found[2]}\(", source, re.MULTILINE), row
