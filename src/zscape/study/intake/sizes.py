"""The one size that pictures of many sizes are brought to."""

from statistics import median

LARGEST_KEPT_SIDE = 128
USUAL_SIDE = 64


def target_size(sizes: list[tuple[int, int]], size: int | None) -> tuple[int, int, str]:
    """Height and width for pictures of these heights and widths, and a line where they change.

    `size` makes squares of that side. Without it, pictures of one size up to 128 a side keep it;
    all others become squares of their median short side, 64 at most, a multiple of 8.
    """
    if not sizes:
        return USUAL_SIDE, USUAL_SIDE, ""
    same = len(set(sizes)) == 1
    height, width = sizes[0]
    kept = size is None and max(height, width) <= LARGEST_KEPT_SIDE
    if same and (kept or size == height == width):
        return height, width, ""
    short = int(median(min(pair) for pair in sizes))
    side = size or max(8, min(USUAL_SIDE, short // 8 * 8))
    choice = "" if size else " (choose another with size)"
    return (
        side,
        side,
        (
            f"the pictures came {_sizes_words(sizes)}; each was cut to a square at its centre and "
            f"brought to {side}x{side}{choice}"
        ),
    )


def _sizes_words(sizes: list[tuple[int, int]]) -> str:
    different = sorted(set(sizes), key=lambda pair: (min(pair), pair))
    low, high = different[0], different[-1]
    if low == high:
        return f"{low[0]}x{low[1]}"
    return f"in {len(different)} sizes, {low[0]}x{low[1]} to {high[0]}x{high[1]}"
