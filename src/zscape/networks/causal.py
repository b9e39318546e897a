"""A small causal transformer: every token of a sequence sees those before it and a context.

What its outputs mean is the business of probability.
"""

from collections.abc import Callable
from math import sqrt

import torch
from torch import Tensor, nn
from torch.nn.functional import dropout, embedding, scaled_dot_product_attention, silu


class Causal(nn.Module):
    """Maps tokens `[N, T]` and a context `[N, F]` to logits `[N, T, K]`.

    The logits of a token depend on the context and on the tokens before it, never on itself or a
    later one. Tokens may come from several alphabets that take turns: book m of M has those at
    m, m + M, m + 2 M and so on.
    Source: Vaswani et al. 2017, section 3 (decoder alone), arXiv:1706.03762; normalisation before
    each layer as in Radford et al. 2019.

    Args:
        length: T.
        size: K, tokens of each alphabet.
        books: M, alphabets.
        context: F; 0 where there is none.
        depth: layers.
        width: numbers of each token between layers; a multiple of `heads`.
        heads: of the attention.
        dropped: share of the numbers that are hidden in training.
    """

    def __init__(
        self,
        length: int,
        size: int,
        *,
        books: int = 1,
        context: int = 0,
        depth: int = 3,
        width: int = 96,
        heads: int = 4,
        dropped: float = 0.1,
    ) -> None:
        super().__init__()
        self.length, self.size, self.books, self.dropped = length, size, books, dropped
        small = 1 / sqrt(width)
        self.tokens = nn.Parameter(small * torch.randn(books * size, width))
        self.begin = nn.Parameter(small * torch.randn(width))
        self.places = nn.Parameter(small * torch.randn(length, width))
        self.told = nn.Linear(context, width, bias=False) if context else None
        self.layers = nn.ModuleList(_Layer(width, heads, dropped) for _ in range(depth))
        self.norm = nn.LayerNorm(width)
        self.head = nn.Parameter(torch.zeros(books, size, width))
        self.bias = nn.Parameter(torch.zeros(books, size))

    def forward(self, tokens: Tensor, context: Tensor) -> Tensor:
        """What each token is told by those before it and by the context."""
        books = torch.arange(self.length - 1, device=tokens.device) % self.books
        before = embedding(tokens[:, :-1] + books * self.size, self.tokens)
        first = self.begin.expand(len(tokens), 1, -1)
        hidden = torch.cat([first, before], 1) + self.places
        if self.told is not None:
            hidden = hidden + self.told(context)[:, None]
        hidden = dropout(hidden, self.dropped, self.training)
        for layer in self.layers:
            hidden, _ = layer(hidden)
        # Tokens of one book share a head: [N, P, M, K].
        apart = self.norm(hidden).unflatten(1, (-1, self.books))
        logits = torch.einsum("npmw,mkw->npmk", apart, self.head) + self.bias
        return logits.flatten(1, 2)

    @torch.no_grad()
    def unroll(self, context: Tensor, choose: Callable[[Tensor], Tensor]) -> Tensor:
        """Tokens `[N, T]`, one after the other; each layer is computed once for each.

        Args:
            context: `[N, F]`.
            choose: from logits `[N, K]` to tokens `[N]`.
        """
        chosen: list[Tensor] = []
        known: list[tuple[Tensor, Tensor] | None] = [None] * len(self.layers)
        told = 0 if self.told is None else self.told(context)
        for place in range(self.length):
            book = (place - 1) % self.books
            seen = self.tokens[chosen[-1] + book * self.size] if chosen else self.begin
            hidden = (seen + self.places[place] + told).expand(len(context), -1)[:, None]
            for number, layer in enumerate(self.layers):
                hidden, known[number] = layer(hidden, known[number])
            book = place % self.books
            logits = self.norm(hidden[:, 0]) @ self.head[book].T + self.bias[book]
            chosen.append(choose(logits))
        return torch.stack(chosen, 1)


class _Layer(nn.Module):
    """Attention to what came before, then a layer for each token; both begin as nothing."""

    def __init__(self, width: int, heads: int, dropped: float) -> None:
        super().__init__()
        self.heads, self.dropped = heads, dropped
        self.first, self.second = nn.LayerNorm(width), nn.LayerNorm(width)
        self.asked = nn.Linear(width, 3 * width)
        self.mixed = nn.Linear(width, width)
        self.wide = nn.Linear(width, 4 * width)
        self.narrow = nn.Linear(4 * width, width)
        nn.init.zeros_(self.mixed.weight)
        nn.init.zeros_(self.narrow.weight)

    def forward(
        self, x: Tensor, known: tuple[Tensor, Tensor] | None = None
    ) -> tuple[Tensor, tuple[Tensor, Tensor]]:
        """Features `[N, T, W]` and what later tokens need; with `known`, those of one more."""
        parts = self.asked(self.first(x)).chunk(3, dim=-1)
        query, key, value = (p.unflatten(-1, (self.heads, -1)).transpose(1, 2) for p in parts)
        if known is not None:
            key, value = torch.cat([known[0], key], 2), torch.cat([known[1], value], 2)
        seen = scaled_dot_product_attention(query, key, value, is_causal=x.shape[1] > 1)
        x = x + self._hidden(self.mixed(seen.transpose(1, 2).flatten(2)))
        x = x + self._hidden(self.narrow(silu(self.wide(self.second(x)))))
        return x, (key, value)

    def _hidden(self, x: Tensor) -> Tensor:
        return dropout(x, self.dropped, self.training)
