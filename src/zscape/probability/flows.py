"""What zuko's flows need to live in a model that computes in mixed precision."""

import torch
from torch import Tensor, nn
from zuko.flows import Flow


class FullPrecision(nn.Module):
    """A network that computes in float32 where its caller computes in bfloat16.

    Eight bits of a spline's knots leave bins of zero width, which are infinite slopes.
    """

    def __init__(self, network: nn.Module) -> None:
        super().__init__()
        self.network = network

    def forward(self, x: Tensor) -> Tensor:
        """The network's answer in float32."""
        with torch.autocast(x.device.type, enabled=False):
            answer: Tensor = self.network(x.float() if x.dtype.itemsize < 4 else x)
            return answer


def in_full_precision(flow: Flow) -> Flow:
    """The same flow, with the network of every layer in full precision."""
    for layer in flow.transform.transforms:
        for name, network in list(layer.named_children()):
            if name == "hyper":
                layer.hyper = FullPrecision(network)
    return flow
