"""Tables of codes and factors made to order."""

import numpy as np


def full_grid(*sizes: int) -> np.ndarray:
    """All combinations of classes, `[prod(sizes), F]`."""
    return np.stack(np.meshgrid(*map(np.arange, sizes), indexing="ij"), -1).reshape(-1, len(sizes))


def noisy(seed: int = 0, n: int = 600) -> tuple[np.ndarray, np.ndarray]:
    """Four units that know three factors a little, each in its way."""
    generator = np.random.default_rng(seed)
    factors = np.stack([generator.integers(0, k, n) for k in (3, 5, 4)], 1)
    mixing = generator.normal(size=(3, 4))
    return factors @ mixing + generator.normal(size=(n, 4)), factors
