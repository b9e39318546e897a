"""The command line: words to calls, errors to sentences and exit codes. No feature lives here.

The commands stand in the modules beside this one and are imported when they are called, so that
help costs no torch.
"""

import io
import os
import signal
import sys
import threading
import traceback
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, redirect_stderr, redirect_stdout
from importlib import import_module
from types import FrameType
from typing import Any, NoReturn

from zscape import __version__
from zscape.errors import GroupError, SpecError, ZscapeError

BUSY = 1.5  # load per core; a training run of our own, just ended, stays below it
LARGEST_SEED = 2**32 - 1  # that all libraries take
USAGE, INTERNAL, MEMORY, DISK, BROKEN_PIPE = 64, 70, 71, 74, 141

COMMANDS = {
    "train": "Train a recipe on data and keep it as a study.",
    "sweep": "Train a family over the values of one option; draw its curve, name its knee.",
    "compare": "Set studies side by side: figures, differences with intervals, options.",
    "show": "Say what a study is: data, recipe, options, figures, files.",
    "measure": "Say how good it is: likelihood, code, samples, usefulness, factors.",
    "doctor": "Say what is wrong with a study, why, and the flag to change; --fix retrains.",
    "refit-prior": "Fit a better prior to a study's codes: better samples, nothing retrained.",
    "sample": "Draw new things.",
    "fill": "Fill in what is missing: a hole in a picture, the empty cells of rows.",
    "reconstruct": "Show things beside what the study makes of them.",
    "interpolate": "Go from one thing to another, straight or through the data; a strip or a film.",
    "walk": "Go through several things, and back to the first with --closed.",
    "traverse": "Move along single units of the code.",
    "direction": "Find what changes a property, with its evidence, and keep it.",
    "directions": "List the directions of a study, and what is known of its data.",
    "edit": "Change a thing along directions: smile=+2 glasses=-1.",
    "redraw": "Draw the finer levels of a thing anew, the coarse ones kept.",
    "neighbours": "Show what lies nearest to things.",
    "clusters": "Find the clusters of the data: how many, which, and how surely.",
    "duplicates": "List what stands in the data more than once, exactly or nearly.",
    "label-errors": "List the labels that the codes contradict, with what speaks against them.",
    "mix": "Show the content of one thing in the style of another; of several a grid.",
    "predict": "Say of which class things are, from few labels, with calibrated probabilities.",
    "score": "Say how strange things are, which are flagged, and what is to blame.",
    "prune": "Leave out the units that say the least: a smaller network, as a new study.",
    "export": "Write encoder and decoder as ONNX or as plain PyTorch, checked.",
    "compress": "Put files into few bytes by what a study knows of such things; lossless.",
    "decompress": "Give back the files of such an archive.",
    "encode": "Write the codes of data of any size into Parquet files.",
    "map": "Lay the codes of the data out on a plane.",
    "report": "Write the report of a study anew.",
    "studio": "Open a page in the browser: see and steer latent spaces.",
    "recipes": "List the recipes and their options.",
    "data": "List the built-in data, or look at data without training.",
}

HOMES = {
    "train": "zscape.cli.train:train_command",
    "sweep": "zscape.cli.sweep:sweep_command",
    "compare": "zscape.cli.compare:compare_",
    "show": "zscape.cli.lists:show",
    "measure": "zscape.cli.measure:measure",
    "doctor": "zscape.cli.doctor:doctor",
    "refit-prior": "zscape.cli.refit:refit_prior",
    "sample": "zscape.cli.verbs:sample",
    "fill": "zscape.cli.fill:fill",
    "reconstruct": "zscape.cli.verbs:reconstruct",
    "interpolate": "zscape.cli.walk:interpolate",
    "walk": "zscape.cli.walk:walk_",
    "traverse": "zscape.cli.verbs:traverse_",
    "direction": "zscape.cli.edit:direction",
    "directions": "zscape.cli.edit:directions",
    "edit": "zscape.cli.edit:edit",
    "redraw": "zscape.cli.redraw:redraw_",
    "neighbours": "zscape.cli.search:neighbours",
    "clusters": "zscape.cli.search:clusters",
    "duplicates": "zscape.cli.search:duplicates",
    "label-errors": "zscape.cli.search:label_errors",
    "mix": "zscape.cli.mix:mix_",
    "predict": "zscape.cli.predict:predict",
    "score": "zscape.cli.score:score",
    "prune": "zscape.cli.prune:prune",
    "export": "zscape.cli.export:export",
    "compress": "zscape.cli.compress:compress",
    "decompress": "zscape.cli.compress:decompress",
    "encode": "zscape.cli.encode:encode",
    "map": "zscape.cli.verbs:map_",
    "report": "zscape.cli.lists:report",
    "studio": "zscape.studio.command:studio",
    "recipes": "zscape.cli.lists:recipes",
    "data": "zscape.cli.lists:data",
}

WITH_RECIPE = ("train", "sweep")  # made for the words typed: their flags are those of a recipe


class Terminated(BaseException):
    """SIGTERM came, or SIGHUP: the terminal was closed."""

    def __init__(self, number: int) -> None:
        super().__init__(number)
        self.number = number


def main(arguments: Sequence[str] | None = None) -> int:
    """Runs the command that the arguments name and returns its exit code.

    0 done, 64 bad usage, 65 bad data, 70 internal or diverged, 71 out of memory, 74 disk,
    75 study busy, 129 closed terminal, 130 Ctrl-C, 141 closed pipe, 143 SIGTERM.

    Args:
        arguments: what was typed after `zscape`; none: those of this process.
    """
    typed = list(sys.argv[1:] if arguments is None else arguments)
    words = [word for word in typed if word != "--debug"]
    _choose_threads()
    _print_anything()
    try:
        with _signals(), _quiet(words):
            _run(words)
            sys.stdout.flush()
    except BrokenPipeError:
        return _closed_pipe()
    except (Exception, KeyboardInterrupt, Terminated) as error:
        if "--debug" in typed:
            traceback.print_exception(error)
        sentence, code = _told(error, words)
        print(f"zscape: {sentence}", file=sys.stderr)
        if isinstance(error, GroupError) and "WORLD_SIZE" in os.environ:
            _leave(code)
        return code
    return 0


def _leave(code: int) -> NoReturn:
    """Ends at once: threads that still wait for a process that is gone abort an orderly end."""
    sys.stdout.flush()
    sys.stderr.flush()
    os._exit(code)


def _run(words: list[str]) -> None:
    if not words or words[0] in ("--help", "-h", "help"):
        print(_overview())
    elif words[0] == "--version":
        print(__version__)
    else:
        command, given, _ = _app(words).parse_args(words)
        _require_seed(given.arguments.get("seed", 0))
        command(*given.args, **given.kwargs)


def _require_seed(seed: int) -> None:
    """Of every command: a seed that all libraries take.

    Raises:
        SpecError: another.
    """
    if not 0 <= seed <= LARGEST_SEED:
        raise SpecError(f"--seed must be between 0 and {LARGEST_SEED}, got {seed}. 0 is usual.")


def _choose_threads() -> None:
    """Before torch is imported: idle threads sleep, and a busy machine gets one thread.

    Threads that wait for each other's turn on a busy core train up to 50 times slower than one.
    """
    os.environ.setdefault("OMP_WAIT_POLICY", "PASSIVE")
    cores = os.cpu_count() or 1
    if os.getloadavg()[0] > BUSY * cores:
        os.environ.setdefault("OMP_NUM_THREADS", "1")


def _overview() -> str:
    width = max(map(len, COMMANDS))
    lines = [f"  {name:<{width}}  {what}" for name, what in COMMANDS.items()]
    return "\n".join(
        [
            "Usage: zscape COMMAND ...",
            "",
            "Train a variational autoencoder with one command, then use its latent space.",
            "",
            *lines,
            "",
            "  zscape COMMAND --help   the arguments and flags of a command",
            "  zscape --version        the version",
            "  --debug                 with any command: the traceback of an error",
            "",
            "A first try: zscape train digits",
        ]
    )


def _app(words: list[str]) -> Any:
    from cyclopts import App

    app = App(
        name="zscape",
        version=__version__,
        help_format="plaintext",
        result_action="return_value",
        exit_on_error=False,
        print_error=False,
        suppress_keyboard_interrupt=False,
    )
    for name, what in COMMANDS.items():
        if name == words[0] and name in WITH_RECIPE:
            module, _, function = HOMES[name].partition(":")
            make = getattr(import_module(module), function)
            app.command(make(words[1:]), name=name, help=what)
        else:
            app.command(HOMES[name], name=name, help=what)
    return app


def _told(error: BaseException, words: list[str]) -> tuple[str, int]:
    """An error as one sentence, and its exit code."""
    if isinstance(error, ZscapeError):
        return _line(error), error.exit_code
    if isinstance(error, KeyboardInterrupt):
        return "stopped by Ctrl-C.", 128 + signal.SIGINT
    if isinstance(error, Terminated):
        return f"stopped by {signal.Signals(error.number).name}.", 128 + error.number
    if isinstance(error, MemoryError) or "allocate memory" in str(error):
        return "The memory must hold model and batch, and does not. Lower --batch-size.", MEMORY
    if isinstance(error, OSError):
        return f"The system says: {_line(error)}. Check the path and the disk.", DISK
    if type(error).__module__.startswith("cyclopts"):
        return f"{_mistyped(error, words)} {_hint(words)}", USAGE
    kind = type(error).__name__
    return f"internal error: {kind}: {_line(error)}. Run it again with --debug.", INTERNAL


def _mistyped(error: BaseException, words: list[str]) -> str:
    """What cyclopts says; in our words where an argument is missing, which it calls incomplete."""
    from cyclopts import MissingArgumentError

    if type(error) is not MissingArgumentError or error.argument is None:
        return _line(error)
    flag = error.keyword
    if flag is None:
        return f"{' or '.join(error.argument.names)} must be given, got none."
    after = words[words.index(flag) + 1 :][:1] if flag in words else []
    got = f"{after[0]!r}, which reads as a flag" if after else "none"
    meant = f" If it is meant, write {flag}={after[0]}." if after else ""
    return f"{flag} must have a value, got {got}.{meant}"


def _hint(words: list[str]) -> str:
    if words[0] in ("interpolate", "walk", "neighbours"):  # '#' begins a comment in a shell
        return "Write items in quotes, such as '#12'."
    command = f"zscape {words[0]} --help" if words[0] in COMMANDS else "zscape --help"
    return f"'{command}' lists what may be said."


def _line(error: BaseException) -> str:
    text = " ".join(str(error).split())
    return "".join(c if c.isprintable() else ascii(c)[1:-1] for c in text)


def _print_anything() -> None:
    """Lets both streams escape what their encoding has no letters for."""
    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, io.TextIOWrapper):
            stream.reconfigure(errors="backslashreplace")


def _closed_pipe() -> int:
    # Python would complain once more when it flushes at exit.
    os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
    return BROKEN_PIPE


@contextmanager
def _quiet(words: list[str]) -> Iterator[None]:
    """Lets the further processes of a training run speak only where one of them fails alone."""
    rank = int(os.environ.get("RANK", os.environ.get("LOCAL_RANK", "0")))
    if not rank or "WORLD_SIZE" not in os.environ or words[:1] != ["train"]:
        yield
        return
    with open(os.devnull, "w") as nothing, redirect_stdout(nothing), redirect_stderr(nothing):
        try:
            yield
        except (GroupError, MemoryError) as error:
            sentence, _ = _told(error, words)
            print(f"zscape: process {rank}: {sentence}", file=sys.__stderr__)
            raise


@contextmanager
def _signals() -> Iterator[None]:
    """The first Ctrl-C or SIGTERM is an exception, so that a study is saved; the second ends."""
    if threading.current_thread() is not threading.main_thread():
        yield
        return
    came: list[int] = []

    def stop(number: int, frame: FrameType | None) -> NoReturn:
        came.append(number)
        if len(came) > 1:
            os._exit(128 + number)
        raise KeyboardInterrupt if number == signal.SIGINT else Terminated(number)

    numbers = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)
    heard = [n for n in numbers if signal.getsignal(n) != signal.SIG_IGN]  # as nohup has it
    before = {number: signal.signal(number, stop) for number in heard}
    try:
        yield
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)
