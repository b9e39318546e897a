import pytest
import torch

from zscape.errors import StudyError
from zscape.probability.priors import FullMixture
from zscape.probability.quantisers import Codebook, Layout
from zscape.study.storage.claims import no_larger_than, require_names


@pytest.mark.parametrize(
    "build", [lambda: FullMixture(64, 1000), lambda: Codebook(Layout(8, 1), 500_000)]
)
def test_what_is_larger_than_its_file_is_refused_before_it_is_filled(build, monkeypatch):
    def fill(*_, **__):
        raise AssertionError("memory was touched")

    for name in ("randn", "ones", "zeros", "eye"):
        monkeypatch.setattr(torch, name, fill)
    for name in ("normal_", "fill_", "zero_", "repeat"):
        monkeypatch.setattr(torch.Tensor, name, fill)
    with pytest.raises(StudyError, match="must be that of the weights"), no_larger_than(1000):
        build()


@pytest.mark.parametrize("record", [["a"], ["a", "b", 3], {"a": 1, "b": 2, "c": 3}, "abc", None])
def test_names_are_one_text_for_each_example(record):
    with pytest.raises(StudyError, match=r"names\.json must hold a name for each of 3 examples"):
        require_names(record, 3, "names.json")
    assert require_names(["a", "", "a"], 3, "names.json") == ("a", "", "a")
