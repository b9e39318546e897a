import pytest
import torch

from zscape.errors import StudyError
from zscape.probability.priors import FullMixture
from zscape.probability.quantisers import Codebook, Layout
from zscape.study.storage.claims import no_larger_than


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
