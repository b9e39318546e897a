"""How like two pictures are: PSNR and SSIM, for pictures whose values span [0, 1]."""

import torch
from torch import Tensor
from torch.nn.functional import conv2d

from zscape.measures.figure import Figure, mean, undefined

WINDOW = 11
WIDTH = 1.5  # standard deviation of the window, in pixels
DARK, FLAT = 0.01**2, 0.03**2  # keep the two fractions finite in the dark and where nothing varies
MOST_EQUAL = 1e-10  # mean squared error of 100 dB, where equal pictures are cut off
CHUNK = 256


def psnr(x: Tensor, other: Tensor) -> Figure:
    """-10 log10 (mean squared error), the mean over pictures, in decibels.

    Blind to structure: a blurred picture may score above a sharp one that is moved by a pixel.
    Pictures that are equal count as 100 dB.

    Args:
        x: pictures in [0, 1], `[N, C, H, W]`.
        other: their counterparts, of the same shape.

    Source: Huynh-Thu and Ghanbari 2008, eq. 1, doi:10.1049/el:20080522.
    """
    source = "Huynh-Thu and Ghanbari 2008, eq. 1"
    if len(x) == 0:
        return undefined("PSNR", "dB", source)
    errors = (x.double() - other.double()).square().flatten(1).mean(1)
    return mean("PSNR", -10 * errors.clamp(min=MOST_EQUAL).log10(), "dB", "estimate", source)


def ssim(x: Tensor, other: Tensor) -> Figure:
    """Structural similarity, 1 for equal pictures; the mean over windows, channels and pictures.

    Means, variances and the covariance are weighted by an 11x11 Gaussian of 1.5 pixels, at every
    place where it fits. A picture with a side below 11 has a smaller window, which the name says;
    its values do not compare with those of the full window.

    Args:
        x: pictures in [0, 1], `[N, C, H, W]`.
        other: their counterparts, of the same shape.

    Source: Wang et al. 2004, eq. 13, doi:10.1109/TIP.2003.819861.
    """
    source = "Wang et al. 2004, eq. 13"
    short = min(WINDOW, *x.shape[2:])
    size = short - 1 + short % 2
    name = "SSIM" if size == WINDOW else f"SSIM ({size}x{size} window)"
    if len(x) == 0:
        return undefined(name, "similarity", source)
    pairs = zip(x.split(CHUNK), other.split(CHUNK), strict=True)
    values = torch.cat([_similarity(a.double(), b.double(), size) for a, b in pairs])
    return mean(name, values, "similarity", "estimate", source)


def _similarity(x: Tensor, y: Tensor, size: int) -> Tensor:
    """SSIM of each picture, `[B]`."""
    places = torch.arange(size, dtype=torch.float64) - size // 2
    line = (-0.5 * (places / WIDTH) ** 2).exp()
    line = line / line.sum()

    def blurred(picture: Tensor) -> Tensor:
        planes = picture.flatten(0, 1)[:, None]
        return conv2d(conv2d(planes, line.view(1, 1, -1, 1)), line.view(1, 1, 1, -1))

    mean_x, mean_y = blurred(x), blurred(y)
    spread_x = blurred(x * x) - mean_x**2
    spread_y = blurred(y * y) - mean_y**2
    shared = blurred(x * y) - mean_x * mean_y
    light = (2 * mean_x * mean_y + DARK) / (mean_x**2 + mean_y**2 + DARK)
    structure = (2 * shared + FLAT) / (spread_x + spread_y + FLAT)
    similar: Tensor = (light * structure).flatten(1).mean(1)
    return similar.view(len(x), -1).mean(1)
