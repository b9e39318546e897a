"""`python -m benchmarks NAME [--only PART] [--quick] [--seed N]`, or `list`, or `targets`.

One JSON line a figure on standard output; results are kept unless `--quick`.
"""

import argparse
import json
from pathlib import Path

import torch

from benchmarks import (
    auto_beta,
    bits_back,
    collapse,
    conditional,
    discrete,
    dsprites,
    faces,
    faults,
    flows,
    hdfs,
    iwae_eval,
    levels,
    lines,
    metric_cost,
    mnist_nats,
    mnist_vae,
    modes,
    oneclass,
    paths,
    precision_parity,
    processes,
    prune,
    refit,
    scaling,
    semisup,
    smile,
    start_up,
    studio,
    style,
    tables,
    train_speed,
)
from benchmarks.figures import Figure, NotRunError, Part, Settings, keep, record, table

BENCHMARKS: dict[str, dict[str, Part]] = {
    "bits_back": bits_back.PARTS,
    "collapse": collapse.PARTS,
    "mnist_nats": mnist_nats.PARTS,
    "mnist_vae": mnist_vae.PARTS,
    "train_speed": train_speed.PARTS,
    "start_up": start_up.PARTS,
    "levels": levels.PARTS,
    "lines": lines.PARTS,
    "paths": paths.PARTS,
    "faces": faces.PARTS,
    "prune": prune.PARTS,
    "flows": flows.PARTS,
    "iwae_eval": iwae_eval.PARTS,
    "smile": smile.PARTS,
    "auto_beta": auto_beta.PARTS,
    "dsprites": dsprites.PARTS,
    "metric_cost": metric_cost.PARTS,
    "precision_parity": precision_parity.PARTS,
    "scaling": scaling.PARTS,
    "processes": processes.PARTS,
    "modes": modes.PARTS,
    "faults": faults.PARTS,
    "discrete": discrete.PARTS,
    "refit": refit.PARTS,
    "conditional": conditional.PARTS,
    "semisup": semisup.PARTS,
    "hdfs": hdfs.PARTS,
    "tables": tables.PARTS,
    "studio": studio.PARTS,
    "style": style.PARTS,
    "oneclass": oneclass.PARTS,
}


def main() -> None:
    """Runs what the command line asks for."""
    asked = _arguments()
    torch.set_num_threads(asked.threads)
    if asked.name == "list":
        for name, parts in BENCHMARKS.items():
            print(name, *parts)
    elif asked.name == "targets":
        print(table(asked.figures, issue=asked.issue))
    elif asked.name == "mnist_nats" and asked.minutes:
        settings = Settings(asked.quick, asked.seed)
        for figure in mnist_nats.against_the_clock(asked.device, asked.minutes, settings):
            _say(asked.name, figure, settings)
    else:
        run(asked.name, Settings(asked.quick, asked.seed), only=asked.only)


def run(name: str, settings: Settings, *, only: str = "") -> None:
    """Prints and keeps the figures of the parts whose names contain `only`."""
    for part_name, part in BENCHMARKS[name].items():
        if only not in part_name:
            continue
        try:
            for figure in part(settings):
                _say(name, figure, settings)
        except NotRunError as reason:
            _say(name, Figure(part_name, None, "", "measured", f"Not run: {reason}."), settings)


def _say(benchmark: str, figure: Figure, settings: Settings) -> None:
    line = record(benchmark, figure, quick=settings.quick)
    print(json.dumps(line), flush=True)
    if not settings.quick:
        keep(line)


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m benchmarks", description=__doc__)
    parser.add_argument("name", choices=[*BENCHMARKS, "list", "targets"])
    parser.add_argument("--only", default="", help="the parts whose names contain this")
    parser.add_argument("--quick", action="store_true", help="under a minute; nothing is kept")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--threads", type=int, default=1)
    parser.add_argument("--gpu", dest="device", action="store_const", const="cuda", default="cpu")
    parser.add_argument("--device", help="mnist_nats with --minutes: cpu or cuda")
    parser.add_argument("--minutes", type=float, help="mnist_nats: dynamic, against the clock")
    parser.add_argument("--figures", type=Path, help="targets: a tab-separated file of targets")
    parser.add_argument("--issue", help="targets: only those of this issue")
    return parser.parse_args()


if __name__ == "__main__":
    main()
