"""Every `>>>` example in the package runs and prints what it says."""

import ast
import doctest
import pathlib

import keras
import numpy as np
import pytest

import keras_inpaint

ROOT = pathlib.Path(keras_inpaint.__file__).parent
DOCUMENTED = (ast.Module, ast.ClassDef, ast.FunctionDef, ast.AsyncFunctionDef)


def examples(source, filename="<string>"):
    """One doctest for each docstring with examples.

    Read from the source, not from the imported module: decorators and re-exports hide nothing.
    """
    parser = doctest.DocTestParser()
    tests = []
    for node in ast.walk(ast.parse(source)):
        text = ast.get_docstring(node) if isinstance(node, DOCUMENTED) else None
        if text:
            names = {
                "keras": keras,
                "np": np,
                "keras_inpaint": keras_inpaint,
                "ki": keras_inpaint,
            }
            name = getattr(node, "name", "the module")
            line = node.body[0].lineno - 1
            tests.append(parser.get_doctest(text, names, name, filename, line))
    return [test for test in tests if test.examples]


def failures(tests):
    """What went wrong, as doctest prints it; an empty text if nothing did."""
    lines = []
    options = doctest.ELLIPSIS | doctest.NORMALIZE_WHITESPACE
    for test in tests:
        doctest.DocTestRunner(verbose=False, optionflags=options).run(test, out=lines.append)
    return "".join(lines)


def modules_with_examples():
    for path in sorted(ROOT.rglob("*.py")):
        if ">>> " in path.read_text(encoding="utf-8"):
            yield pytest.param(path, id=str(path.relative_to(ROOT)))


@pytest.fixture(scope="module")
def eagerly():
    """Nothing is compiled on TensorFlow: that takes longer than what the examples compute."""
    if keras.backend.backend() != "tensorflow":
        yield
        return
    import tensorflow as tf

    tf.config.run_functions_eagerly(True)
    yield
    tf.config.run_functions_eagerly(False)


# Photos are read compiled all the same.
@pytest.mark.filterwarnings("ignore:Even though the `tf.config:UserWarning")
@pytest.mark.usefixtures("eagerly")
@pytest.mark.parametrize("path", list(modules_with_examples()))
def test_examples_print_what_they_say(path, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    wrong = failures(examples(path.read_text(encoding="utf-8"), str(path)))
    if wrong:
        pytest.fail(wrong, pytrace=False)


GOOD = '''
def double(number):
    """Twice.

    >>> tuple(keras.ops.ones((2, 3)).shape)
    (2, 3)
    >>> np.arange(5).tolist()
    [0, 1,   ..., 4]
    >>> ki is keras_inpaint
    True
    """
'''


def test_right_example_passes():
    assert len(examples(GOOD)) == 1
    assert failures(examples(GOOD)) == ""


@pytest.mark.parametrize("good", ["(2, 3)", "True"])
def test_wrong_example_is_seen(good):
    assert "Expected:" in failures(examples(GOOD.replace(f"    {good}\n", "    (7,)\n")))


DECORATED = """
class A:
    @staticmethod
    def b():
        '''>>> 1 + 1
        3
        '''
"""


def test_example_of_a_decorated_method_is_found():
    assert "Got:\n    2" in failures(examples(DECORATED))
