"""Things as plain numbers in which like things lie together: gradients, columns, and codes."""

import torch
from torch import Tensor
from torch.nn.functional import affine_grid, avg_pool2d, grid_sample, pad, unfold

from zscape.measures.features import row_features
from zscape.measures.linear import components
from zscape.modalities.image import Image
from zscape.space.space import Space, encode_stored

BINS, CELLS = 8, 7  # directions of a histogram; histograms along a side
COMPONENTS = 64
CODES = 0.5  # length of the codes over that of the rest: held-out error of 0.3, 0.5, 1 is lowest
CLIP, LEAST = 0.2, 1e-2
CHUNK = 2048


def seen(space: Space, stored: Tensor, *, codes: bool = True) -> Tensor:
    """Stored things as a network of classes sees them: pictures of ink straightened, rows wide.

    Args:
        space: whose things.
        stored: things.
        codes: whether the codes of rows are among what it sees.

    Returns:
        `[N, C, H, W]`, or `[N, F]`: standardised columns and codes side by side; the columns alone
        without codes, or where labels taught these, which then know even those held out.
    """
    if isinstance(space.modality, Image):
        return torch.cat(_upright(space, stored))
    columns = row_features(space)(space.modality.prepare(stored))
    if not codes or space.taught_by_labels:
        return columns
    code = encode_stored(space.model, space.modality, stored).flat
    scale = space.codes.flat.std(0).clamp(min=1e-6)
    return torch.cat([columns, (code - space.codes.flat.mean(0)) / scale], 1)


def is_shaded(space: Space) -> bool:
    """Whether things are pictures in which light is chance: not ink, not black and white."""
    image = space.modality
    return isinstance(image, Image) and not (image.inky or image.two_valued)


def plain(space: Space, stored: Tensor) -> Tensor:
    """Things without any model: the components of pixels, or of standardised columns, `[N, F]`."""
    image = isinstance(space.modality, Image)
    x = space.modality.prepare(stored)
    flat = x.flatten(1) if image else row_features(space)(x)
    return components(flat, COMPONENTS).encode(flat)


def joined(space: Space, stored: Tensor, shown: Tensor, *, codes: bool = True) -> Tensor:
    """Components of oriented gradients, or of columns, beside the codes, `[N, F]`.

    Args:
        space: whose codes.
        stored: things.
        shown: what `seen` makes of them.
        codes: whether the codes of the space are among them, unless labels taught these.
    """
    if not isinstance(space.modality, Image):
        rest = plain(space, stored)
    else:
        turned = torch.cat([oriented_gradients(part) for part in shown.split(CHUNK)])
        rest = components(turned, COMPONENTS).encode(turned)
        stored = (255 * shown).round().to(torch.uint8)
    if not codes or space.taught_by_labels:
        return _of_length(rest, 1.0)
    code = encode_stored(space.model, space.modality, stored).flat
    return torch.cat([_of_length(rest, 1.0), _of_length(code - code.mean(0), CODES)], 1)


def straightened(x: Tensor) -> Tensor:
    """Strokes `[N, C, H, W]`, bright on dark, centred and slanted back until they stand upright.

    Source: LeCun et al. 1998 (deslanting), doi:10.1109/5.726791.
    """
    ink = x.mean(1)
    height, width = ink.shape[1:]
    down, right = torch.arange(height, dtype=x.dtype), torch.arange(width, dtype=x.dtype)
    mass = ink.sum((1, 2)).clamp(min=1e-6)
    y = (ink.sum(2) * down).sum(1) / mass
    a = (ink.sum(1) * right).sum(1) / mass
    from_y, from_a = down - y[:, None], right - a[:, None]
    spread = (ink.sum(2) * from_y.square()).sum(1) / mass
    slant = torch.einsum("nhw,nh,nw->n", ink, from_y, from_a) / mass / spread.clamp(min=1e-6)
    by = torch.zeros(len(x), 2, 3)
    by[:, 0, 0] = by[:, 1, 1] = 1
    by[:, 0, 1] = slant * height / width
    by[:, 0, 2], by[:, 1, 2] = (2 * a + 1) / width - 1, (2 * y + 1) / height - 1
    return grid_sample(x, affine_grid(by, list(x.shape), align_corners=False), align_corners=False)


def oriented_gradients(x: Tensor) -> Tensor:
    """Histograms of the directions of gradients in cells, blocks of 2x2 normalised, `[N, F]`.

    Source: Dalal and Triggs 2005 (here with signed directions), doi:10.1109/CVPR.2005.177.
    """
    grey = pad(x.mean(1, keepdim=True), (1, 1, 1, 1), mode="replicate")
    across = grey[..., 1:-1, 2:] - grey[..., 1:-1, :-2]
    along = grey[..., 2:, 1:-1] - grey[..., :-2, 1:-1]
    turned = torch.atan2(along, across).remainder(2 * torch.pi) * (BINS / (2 * torch.pi))
    size, low = torch.hypot(across, along), turned.floor()
    bins = torch.arange(BINS).view(1, -1, 1, 1)
    # Each pixel's gradient is shared between the two directions beside its own.
    near = (low.remainder(BINS) == bins) * (1 - turned + low)
    near = near + ((low + 1).remainder(BINS) == bins) * (turned - low)
    cell = max(round(min(x.shape[2:]) / CELLS), 2)
    blocks = unfold(avg_pool2d(size * near, cell), 2).transpose(1, 2)
    blocks = (blocks / (blocks.norm(dim=-1, keepdim=True) + LEAST)).clamp(max=CLIP)
    return (blocks / (blocks.norm(dim=-1, keepdim=True) + LEAST)).flatten(1)


def _upright(space: Space, stored: Tensor) -> list[Tensor]:
    """Pictures as a model sees them, in chunks, those of ink straightened."""
    prepare = space.modality.prepare
    parts = [prepare(part) for part in stored.split(CHUNK)]
    if is_shaded(space):
        return parts
    # Whether ink is bright is a matter of the space, not of the things in a chunk.
    if prepare(space.items[:CHUNK]).mean() < 0.5:
        return [straightened(x) for x in parts]
    return [1 - straightened(1 - x) for x in parts]


def _of_length(x: Tensor, length: float) -> Tensor:
    return length * x / x.norm(dim=1).mean().clamp(min=1e-12)
