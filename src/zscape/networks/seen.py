"""What is seen of things with holes, as numbers that networks can take."""

import torch
from torch import Tensor, nn


class Seen(nn.Module):
    """Things with 0 where they are hidden, and beside them where they are seen.

    Args:
        log: whether numbers are counts, of which log(1 + x) is taken.
    """

    def __init__(self, *, log: bool = False) -> None:
        super().__init__()
        self.log = log

    def forward(self, x: Tensor) -> Tensor:
        """`[..., C + 1, H, W]` of pictures `[..., C, H, W]`, nan where hidden; rows: `[..., 2 D]`.

        A pixel is seen in all its channels or in none.
        """
        seen = ~x.isnan()
        known = x.nan_to_num(0.0)
        if x.ndim >= 4:
            return torch.cat([known, seen[..., :1, :, :].to(x.dtype)], -3)
        return torch.cat([known.log1p() if self.log else known, seen.to(x.dtype)], -1)
