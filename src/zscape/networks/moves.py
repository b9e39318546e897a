"""Small random moves of pictures - shifts, turns, scales, slants - each picture its own."""

import torch
from torch import Tensor, nn
from torch.nn.functional import affine_grid, grid_sample


def moved(
    x: Tensor,
    *,
    shift: float = 0.05,
    turn: float = 0.2,
    scale: float = 0.12,
    slant: float = 0.15,
) -> Tensor:
    """Pictures `[N, C, H, W]`, each moved by a draw of its own; what comes in repeats the border.

    Args:
        x: pictures.
        shift: at most, as a share of the side.
        turn: at most, in radians.
        scale: at most, as a share, of height and width apart.
        slant: at most, as the tangent.
    """
    drawn = 2 * torch.rand(6, len(x), device=x.device) - 1
    angle, (wide, high) = turn * drawn[0], 1 + scale * drawn[1:3]
    rows = (
        torch.stack([wide * angle.cos(), slant * drawn[3] - wide * angle.sin()], -1),
        torch.stack([high * angle.sin(), high * angle.cos()], -1),
    )
    by = torch.cat([torch.stack(rows, 1), 2 * shift * drawn[4:].T[..., None]], -1)
    grid = affine_grid(by, list(x.shape), align_corners=False)
    return grid_sample(x.float(), grid, padding_mode="border", align_corners=False)


def relit(x: Tensor, *, contrast: float = 0.2, light: float = 0.1) -> Tensor:
    """Pictures `[N, C, H, W]`, each with a contrast and a light of its own.

    Args:
        x: pictures.
        contrast: change of it at most, as a share.
        light: change of all pixels at most.
    """
    drawn = 2 * torch.rand(2, len(x), 1, 1, 1, device=x.device) - 1
    return x * (1 + contrast * drawn[0]) + light * drawn[1]


class Moved(nn.Module):
    """Moves pictures `[..., C, H, W]` in training and leaves them in evaluation.

    Args:
        amount: of the usual moves of `moved`.
    """

    def __init__(self, amount: float) -> None:
        super().__init__()
        self.amount = amount

    def forward(self, x: Tensor) -> Tensor:
        """Pictures of the same shape."""
        if not self.training:
            return x
        most = {"shift": 0.05, "turn": 0.15, "scale": 0.1, "slant": 0.15}
        by = {name: self.amount * value for name, value in most.items()}
        return moved(x.flatten(0, -4), **by).view(x.shape)
