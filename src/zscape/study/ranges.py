"""Values of an option from words: `0.1..16`, `2..64`, `0.5,1,2`; nothing is trained here."""

import math
from collections.abc import Callable, Sequence
from typing import Any, get_args

from zscape.errors import SpecError, unknown
from zscape.measures.tradeoff import Value
from zscape.study.spec import Option, options

POINTS = 7  # values of a range of real numbers, unless said
DIGITS = 3  # that a value made from a range keeps


def option_named(name: str, *functions: Callable[..., Any]) -> Option:
    """The option of that name among the arguments of a recipe and of training.

    Raises:
        SpecError: none of them has it, or it is the seed.
    """
    known = {n: option for function in functions for n, option in options(function).items()}
    known.pop("seed", None)  # every value has all the seeds
    if name not in known:
        raise unknown("option", name, list(known))
    return known[name]


def values_of(option: Option, given: str | Sequence[Any], points: int | None = None) -> list[Value]:
    """The values that are meant, each once, in the order given.

    A range of real numbers is cut evenly in logarithms; of whole numbers it doubles, unless
    `points` is given.

    Args:
        option: what it is about.
        given: values, or words: "0.1..16" or "0.5,1,2".
        points: how many values of a range; none: 7 of real numbers, doubling for whole ones.

    Raises:
        SpecError: words that mean no such values, fewer than two of them, or one twice.
    """
    if not isinstance(given, str):
        values = list(given)
    elif ".." in given:
        values = _range(option, given, points)
    else:
        values = [_value(option, word) for word in given.split(",")]
    if len(values) < 2 or len(set(values)) < len(values):
        raise SpecError(
            f"A sweep must have two values or more of {option.name}, each once, got {given!r}. "
            f"Write {option.name}=LOW..HIGH, or values with commas between."
        )
    return values


def _range(option: Option, words: str, points: int | None) -> list[Value]:
    kinds = _kinds(option)
    number = float if float in kinds else int if int in kinds else None
    if number is None:
        raise SpecError(
            f"A range is for numbers, and {option.name} is none, got {words!r}. "
            "List the values with commas between."
        )
    low, high = (_number(option, word, number) for word in words.split("..", 1))
    if not 0 < low < high:
        raise SpecError(
            f"A range must rise from above 0, got {words!r}. List values such as 0 with commas."
        )
    if points is not None and points < 2:
        raise SpecError(f"points must be at least 2, got {points}. {POINTS} is usual.")
    if number is int and points is None:
        return _doubled(int(low), int(high))
    return _spread(low, high, points or POINTS, number)


def _doubled(low: int, high: int) -> list[Value]:
    values: list[Value] = [low * 2**n for n in range(int(math.log2(high / low)) + 1)]
    return values if values[-1] == high else [*values, high]


def _spread(low: float, high: float, points: int, number: type[int] | type[float]) -> list[Value]:
    shares = [n / (points - 1) for n in range(points)]
    exact = [low * (high / low) ** share for share in shares]
    if number is int:
        return list(dict.fromkeys(round(value) for value in exact))
    inner = [float(f"{value:.{DIGITS}g}") for value in exact[1:-1]]
    return [low, *inner, high]


def _value(option: Option, word: str) -> Value:
    word, kinds = word.strip(), _kinds(option)
    if bool in kinds and word in ("true", "false"):
        return word == "true"
    for number in (int, float):
        if number in kinds and _is(number, word):
            return number(word)
    if str in kinds and word:
        return word
    raise _not_a_value(option, word)


def _number(option: Option, word: str, number: type[int] | type[float]) -> float:
    if not _is(number, word):
        raise _not_a_value(option, word)
    return number(word)


def _is(number: type[int] | type[float], word: str) -> bool:
    try:
        return math.isfinite(number(word))
    except ValueError:
        return False


def _not_a_value(option: Option, word: str) -> SpecError:
    kinds = " or ".join(kind.__name__ for kind in _kinds(option))
    return SpecError(
        f"{option.name} must be {kinds}, got {word!r}. Its default is {option.default!r}."
    )


def _kinds(option: Option) -> tuple[Any, ...]:
    return get_args(option.kind) or (option.kind,)
