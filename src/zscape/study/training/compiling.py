"""Networks compiled by PyTorch's compiler, with a cache of their own; they keep their weights."""

import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from torch import nn

from zscape.model.model import Decoder, Model


class Compiled:
    """Compiles the networks of a model in place, at their first use, until it is told to stop.

    What is compiled lies in a folder of its own, so that a compilation that was killed harms
    nobody else, and can be thrown away.

    Args:
        model: whose encoder and decoder are compiled; posteriors and likelihoods are not.
    """

    def __init__(self, model: Model) -> None:
        self.folder = cache_folder()
        os.environ.setdefault("TORCHINDUCTOR_CACHE_DIR", str(self.folder))
        decoder = model.decoder
        self.networks: list[nn.Module] = [
            model.encoder,
            decoder.network if isinstance(decoder, Decoder) else decoder,
        ]
        self.note = ""
        try:
            for network in self.networks:
                network.compile()
        except Exception as error:  # whatever a compiler says, training goes on without it
            self.fail(error)

    def fail(self, error: Exception) -> None:
        """Goes back to the networks as they were, and says why."""
        self.stop()
        said = (str(error).strip().splitlines() or [""])[0][:200]
        self.note = (
            f"the networks could not be compiled ({type(error).__name__}: {said}), so they are run "
            f"as they are. If that comes from a broken cache, delete {self.folder}."
        )

    def stop(self) -> None:
        """The networks as they were; their weights are those that were trained."""
        for network in self.networks:
            network._compiled_call_impl = None
        self.networks = []

    @contextmanager
    def aside(self) -> Iterator[None]:
        """The networks as they were for the time of a `with`: no shape is compiled for once."""
        kept = [network._compiled_call_impl for network in self.networks]
        for network in self.networks:
            network._compiled_call_impl = None
        try:
            yield
        finally:
            for network, call in zip(self.networks, kept, strict=True):
                network._compiled_call_impl = call


def cache_folder() -> Path:
    """Where compiled networks lie: `inductor` in the folder of zscape in the user's cache."""
    cache = os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache"
    return Path(cache) / "zscape" / "inductor"
