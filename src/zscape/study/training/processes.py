"""One training run in several processes: who they are and what they tell each other.

They are started, and find each other, by Lightning Fabric or by `torchrun`; every process has all
of the model and its share of every batch. Without company nothing of this is imported.
"""

import logging
import os
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import Any

import torch
from torch import Tensor

from zscape.errors import GroupError, SpecError
from zscape.modalities.extras import optional


class Group:
    """The processes of a run; alone unless a Fabric has brought others.

    A sum has the same bits in all of them, whatever the order in which it was taken.

    Args:
        fabric: launched; None: this process is alone.
    """

    def __init__(self, fabric: Any = None) -> None:
        self._fabric = fabric
        self.rank: int = fabric.global_rank if fabric else 0
        self.world: int = fabric.world_size if fabric else 1

    @property
    def device(self) -> str:
        """Where this process trains; "auto" when it is alone."""
        return str(self._fabric.device) if self._fabric else "auto"

    def sum(self, tensor: Tensor) -> Tensor:
        """The sum over all processes, the same in each.

        Raises:
            GroupError: another process is gone.
        """
        if self.world == 1:
            return tensor
        with _alive():
            total: Tensor = self._fabric.all_reduce(tensor, reduce_op="sum")
        return total

    def from_first(self, tensor: Tensor) -> Tensor:
        """The tensor of rank 0, whatever its lengths, in every process.

        Raises:
            GroupError: another process is gone.
        """
        if self.world == 1:
            return tensor
        shape = torch.tensor(tensor.shape, device=tensor.device)
        with _alive():
            torch.distributed.broadcast(shape, 0)
            found = tensor if self.rank == 0 else tensor.new_empty(shape.tolist())
            torch.distributed.broadcast(found.contiguous(), 0)
        return found

    def share_first(self, tensors: Sequence[Tensor]) -> None:
        """Gives every process the content that rank 0 has, in place."""
        if self.world > 1:
            with _alive(), torch.no_grad():
                for tensor in tensors:
                    torch.distributed.broadcast(tensor, 0)

    def wait(self) -> None:
        """Until all processes have come here.

        Raises:
            GroupError: another process is gone.
        """
        if self.world > 1:
            with _alive():
                self._fabric.barrier()


ALONE = Group()


def join(devices: int = 1) -> Group:
    """The group of this process: `devices` are started, or found where `torchrun` started them.

    The command that runs is run again for every further process, so this comes first in it.

    Args:
        devices: processes on this machine, one for each of its GPUs or, without any, on the CPU.

    Raises:
        SpecError: fewer than one, or another number than `torchrun` was told.
        DataError: the package that brings them together is not installed.
    """
    if devices < 1:
        raise SpecError(f"devices must be at least 1, got {devices}. 1 is one process.")
    local = int(os.environ.get("LOCAL_WORLD_SIZE", devices))
    if devices not in (1, local):
        raise SpecError(f"devices must be what torchrun started, {local}, got {devices}.")
    if int(os.environ.get("WORLD_SIZE", devices)) == 1:
        return ALONE
    fabric = optional("lightning_fabric", "processes")
    logging.getLogger("lightning_fabric").setLevel(logging.WARNING)
    torch.set_num_threads(1)
    nodes = int(os.environ.get("WORLD_SIZE", local)) // local
    joined = fabric.Fabric(accelerator="auto", devices=local, num_nodes=nodes, strategy="ddp")
    with _alive():
        joined.launch()
    return Group(joined)


@contextmanager
def _alive() -> Iterator[None]:
    try:
        yield
    except RuntimeError as error:
        known = "Connection" in str(error)  # what the backend says of its sockets helps nobody
        reason = "" if known else f" ({' '.join(str(error).split())[:120]})"
        raise GroupError(
            f"All processes of a run must stay alive, and one is gone{reason}. The last state that "
            "was kept is whole: 'zscape train --resume STUDY' goes on from it, with any number of "
            "processes."
        ) from error
