"""A traced network as a file of plain PyTorch: one line an operation, its weights beside it.

Where files go, and whether they say what the study says, is the business of `exporting`.
"""

import keyword
from string import Template
from typing import Any

import torch
from safetensors.torch import save
from torch import Tensor
from torch.fx import Node

from zscape.space.halves import Half

SHOWN = 8  # examples that the file compares itself on
ENOUGH = 1e-4  # of their spread: how far it may be off

_FILE = Template('''"""$about

    from $module import $verb
    $made = $verb($given)

`python $module.py` compares it with what the study made of $shown examples. It needs torch alone.
"""

import json
import operator
from pathlib import Path

import torch

ops = torch.ops.aten
DTYPES = {"F64": torch.float64, "F32": torch.float32, "I64": torch.int64, "BOOL": torch.bool}
DTYPES |= {"F16": torch.float16, "BF16": torch.bfloat16, "I32": torch.int32, "U8": torch.uint8}


def load(path):
    """Tensors by name from a safetensors file: a length, a header in JSON, then the numbers."""
    content = bytearray(Path(path).read_bytes())
    start = 8 + int.from_bytes(content[:8], "little")
    tensors = {}
    for name, told in json.loads(content[8:start]).items():
        if name != "__metadata__":
            begin, end = (start + offset for offset in told["data_offsets"])
            numbers = torch.frombuffer(bytearray(content[begin:end]), dtype=torch.uint8)
            tensors[name] = numbers.view(DTYPES[told["dtype"]]).reshape(told["shape"])
    return tensors


WEIGHTS = load(Path(__file__).with_suffix(".safetensors"))


@torch.no_grad()
def $verb($given, w=WEIGHTS):
    """$shapes"""
$lines


if __name__ == "__main__":
    wanted = WEIGHTS["check.wanted"].double()
    made = $verb(WEIGHTS["check.given"]).double()
    largest = float((made - wanted).abs().nan_to_num().max())
    spread = float(wanted.std(correction=0))
    print(f"largest difference from the study {largest:.2g}, where values spread by {spread:.2g}")
    raise SystemExit(0 if largest <= $enough * max(spread, 1e-12) else 1)
''')


def plain_files(half: Half, *, about: str, shapes: str) -> dict[str, bytes]:
    """The two files of a half: `decoder.py` and `decoder.safetensors`, by name.

    Args:
        half: traced.
        about: what it is, in a line.
        shapes: what it takes and gives, in a line.
    """
    verb, given = ("encode", "x") if half.name == "encoder" else ("decode", "code")
    lines, weights = _emitted(half.program, given)
    text = _FILE.substitute(
        about=about,
        module=half.name,
        verb=verb,
        made="code" if given == "x" else "x",
        given=given,
        shown=len(half.given[:SHOWN]),
        shapes=shapes,
        lines="\n".join(f"    {line}" for line in lines),
        enough=ENOUGH,
    )
    weights["check.given"], weights["check.wanted"] = half.given[:SHOWN], half.wanted[:SHOWN]
    tensors = {name: tensor.detach().clone().contiguous() for name, tensor in weights.items()}
    return {f"{half.name}.py": text.encode(), f"{half.name}.safetensors": save(tensors)}


def _emitted(program: Any, given: str) -> tuple[list[str], dict[str, Tensor]]:
    """Lines of code that do what the graph does, and the weights that they name."""
    graph, weights = program.graph_module.graph, dict[str, Tensor]()
    for node in reversed([node for node in graph.nodes if _is_check(node)]):
        graph.erase_node(node)
    graph.eliminate_dead_code()
    told = program.graph_signature
    stored = {**told.inputs_to_parameters, **told.inputs_to_buffers}
    stored |= told.inputs_to_lifted_tensor_constants
    names: dict[Node, str] = {}
    for node in graph.find_nodes(op="placeholder"):
        names[node] = given
        if node.name in stored and node.users:
            full = stored[node.name]
            short = full.removeprefix("model.")
            weights[short] = program.state_dict.get(full, program.constants.get(full))
            names[node] = f'w["{short}"]'
    lines: list[str] = []
    (made,) = _written(program.graph_module, names, lines, given)
    return [*lines, f"return {made}"], weights


def _written(module: Any, names: dict[Node, str], lines: list[str], given: str) -> tuple[str, ...]:
    """Adds a line for each operation of a graph; what it gives back, as code."""
    taken = {line.partition(" = ")[0] for line in lines}
    for node in module.graph.nodes:
        if node.op == "output":
            return tuple(_value(value, names, given) for value in node.args[0])
        if node.op != "call_function":
            continue
        inner = [arg for arg in node.args if isinstance(arg, Node) and arg.op == "get_attr"]
        if inner:  # a part under other settings of precision or gradients, which nothing needs
            part = getattr(module, str(inner[0].target))
            passed = node.args[node.args.index(inner[0]) + 1 :]
            inside = part.graph.find_nodes(op="placeholder")
            known = {a: _value(b, names, given) for a, b in zip(inside, passed, strict=True)}
            names[node] = f"[{', '.join(_written(part, known, lines, given))}]"
            taken = {line.partition(" = ")[0] for line in lines}
            continue
        names[node] = _free(node.name, taken)
        taken.add(names[node])
        lines.append(f"{names[node]} = {_call(node, names, given)}")
    raise AssertionError("a graph ends with what it gives back")


def _is_check(node: Node) -> bool:
    """Whether a node only asserts what was assumed when the network was traced."""
    name = str(node.target)
    return node.op == "call_module" or "assert" in name or "sym_constrain" in name


def _call(node: Node, names: dict[Node, str], given: str) -> str:
    args = [_value(arg, names, given) for arg in node.args]
    args += [f"{key}={_value(value, names, given)}" for key, value in node.kwargs.items()]
    if isinstance(node.target, torch._ops.OpOverload):
        name = str(node.target._schema.name)
        assert name.startswith("aten::"), f"{name} is no operation of plain PyTorch"
        return f"ops.{name.removeprefix('aten::')}({', '.join(args)})"
    assert callable(node.target), f"{node} calls nothing"
    return f"operator.{node.target.__name__}({', '.join(args)})"


def _value(value: Any, names: dict[Node, str], given: str) -> str:
    if isinstance(value, Node):
        return names[value]
    if isinstance(value, list | tuple):
        return f"[{', '.join(_value(one, names, given) for one in value)}]"
    if isinstance(value, torch.device):
        return f"{given}.device"
    if isinstance(value, float) and not abs(value) < float("inf"):
        return f'float("{value}")'
    return str(value) if isinstance(value, torch.dtype | torch.layout) else repr(value)


def _free(name: str, taken: set[str]) -> str:
    """A name that nothing has yet."""
    while name in taken | {"w", "ops", "torch", "operator", "code", "x"} or keyword.iskeyword(name):
        name += "_"
    return name
