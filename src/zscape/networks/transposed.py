"""The transposed convolution, by what processors do fast; it computes what PyTorch's own does."""

import torch
from torch import Tensor, nn
from torch.autograd.function import FunctionCtx
from torch.nn.functional import conv2d, conv_transpose2d, fold

FEW = 1  # channels of the result, up to which it is a product of matrices on a CPU

Pair = tuple[int, int]


class Transposed(nn.Module):
    """The transpose of a strided convolution: pictures `[N, C, H, W]` to larger ones.

    Weights, start and values are those of `nn.ConvTranspose2d`. On a CPU it is faster: PyTorch's
    gradient of the bias takes as long as all else, so the bias is added apart, and a result of few
    channels is one product of matrices whose columns are then added up, in float32.

    Args:
        before: channels of the picture.
        after: channels of the result.
        kernel: height and width of the kernel.
        stride: how many times larger the result is.
        padding: pixels that are cut from each side of the result.
        output_padding: rows and columns that are added below and to the right.
    """

    def __init__(
        self,
        before: int,
        after: int,
        kernel: int,
        *,
        stride: int = 2,
        padding: int = 1,
        output_padding: Pair = (0, 0),
    ) -> None:
        super().__init__()
        plain = nn.ConvTranspose2d(before, after, kernel)
        self.weight, self.bias = plain.weight, plain.bias
        self.stride, self.padding, self.output_padding = stride, padding, output_padding

    def forward(self, x: Tensor) -> Tensor:
        """The larger pictures; float32 where they have few channels."""
        if x.device.type == "cpu" and self.weight.shape[1] <= FEW:
            size = [
                (side - 1) * self.stride - 2 * self.padding + self.weight.shape[-1] + more
                for side, more in zip(x.shape[-2:], self.output_padding, strict=True)
            ]
            picture = _few(*_cast(x, self.weight), size, self.stride, self.padding)
        else:
            picture = conv_transpose2d(
                x, self.weight, None, self.stride, self.padding, self.output_padding
            )
        assert self.bias is not None
        return picture.add_(self.bias.to(picture.dtype)[:, None, None])


class _Few(torch.autograd.Function):
    """Products of matrices forward; backward, convolutions with few channels are fast as such."""

    generate_vmap_rule = True

    @staticmethod
    def forward(x: Tensor, weight: Tensor, size: list[int], stride: int, padding: int) -> Tensor:
        rows = x.permute(0, 2, 3, 1).flatten(0, 2) @ weight.flatten(1)
        columns = rows.unflatten(0, (x.shape[0], -1)).transpose(1, 2)
        kernel = tuple(weight.shape[2:])
        return fold(_summed(columns), tuple(size), kernel, padding=padding, stride=stride)

    @staticmethod
    def setup_context(ctx: FunctionCtx, inputs: tuple[Tensor, ...], output: Tensor) -> None:
        x, weight, _, ctx.stride, ctx.padding = inputs  # type: ignore[attr-defined]
        ctx.save_for_backward(x, weight)

    @staticmethod
    def backward(ctx: FunctionCtx, gradient: Tensor) -> tuple[Tensor | None, ...]:
        x, weight = ctx.saved_tensors  # type: ignore[attr-defined]
        stride, padding = ctx.stride, ctx.padding  # type: ignore[attr-defined]
        seen = gradient.to(x.dtype)
        of_x = conv2d(seen, weight, None, stride, padding)
        _, of_weight, _ = torch.ops.aten.convolution_backward(
            x,
            seen,
            weight,
            None,
            [stride] * 2,
            [padding] * 2,
            [1, 1],
            False,
            [0, 0],
            1,
            [False, True, False],
        )
        return of_x, of_weight, None, None, None


def _few(x: Tensor, weight: Tensor, size: list[int], stride: int, padding: int) -> Tensor:
    picture: Tensor = _Few.apply(x, weight, size, stride, padding)  # type: ignore[no-untyped-call]
    return picture


def _cast(x: Tensor, weight: Tensor) -> tuple[Tensor, Tensor]:
    """Both as autocast would have them for a convolution."""
    if torch.is_autocast_enabled(x.device.type):
        dtype = torch.get_autocast_dtype(x.device.type)
        return x.to(dtype), weight.to(dtype)
    return x, weight


def _summed(x: Tensor) -> Tensor:
    """In what sums are taken: float32 at least."""
    return x.float() if x.dtype.itemsize < 4 else x
