r"""What the rounding of the bundled weights changes in the figures.

The bundled U-Net's weights have 7 bits after the leading one, which takes 0.4 MB off the wheel. Here each weight gets a
random error of the size of that rounding, uniform in half a unit of the last bit, and the same schedules are run from the
same noise. The table has the Frechet distance to the reference with and without the errors, their ratio, and the root
mean square of the change of the images, as a share of their deviation.

    python -m benchmarks.rounded_weights
"""

from __future__ import annotations

import argparse
from collections.abc import Iterator
from typing import Any

import numpy as np
import torch
from benchmarks.replay_study import Judge

import hso
from hso.objectives.frechet import frechet_distance
from hso.rules import rule_schedule

BITS = 7
CELLS = (("ddim", 4), ("ddim", 10), ("dpmpp_2m", 5), ("unipc", 4), ("unipc", 6), ("unipc", 10))


def disturbed(weights: torch.Tensor, generator: torch.Generator) -> torch.Tensor:
    """Weights with random errors as large as those of rounding to ``BITS`` bits after the leading one."""
    _, exponent = torch.frexp(weights)
    errors = torch.rand(weights.shape, generator=generator) - 0.5
    return weights + torch.ldexp(errors, exponent - 1 - BITS)


def figures(judge: Judge) -> dict[str, Any]:
    """The images of the reference and of each cell's schedules."""
    subject, found = judge.subject, {}
    found["reference"] = subject.sample("dpmpp_2m", rule_schedule("uniform_lambda", subject.noise, 60), judge.start)
    for solver, nfe in CELLS:
        for name, schedule in (
            ("trailing", rule_schedule("trailing", subject.noise, nfe)),
            ("hso", hso.optimize(subject.noise, nfe, solver=solver).schedule),
        ):
            found[f"{solver} | {nfe} | {name}"] = subject.sample(solver, schedule, judge.start)
    return found


def rows(model: str, images: int) -> Iterator[str]:
    """The lines of a model."""
    judge = Judge(model, 0, images)
    before = figures(judge)
    module: Any = judge.subject
    generator = torch.Generator().manual_seed(0)
    with torch.no_grad():
        for weight in module.module.parameters():
            weight.copy_(disturbed(weight, generator))
    after = figures(judge)

    def distance(of: dict[str, Any], name: str) -> float:
        return frechet_distance(*judge.moments(of[name]), *judge.moments(of["reference"]))

    for name in list(before)[1:]:
        one, other = distance(before, name), distance(after, name)
        change = np.sqrt(np.mean((before[name] - after[name]) ** 2)) / before[name].std()
        yield f"| {model} | {name} | {one:.4g} | {other:.4g} | {other / one:.4f} | {change:.2%} |"


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--models", nargs="+", default=["digits@1", "digits@3", "digits@7.5"])
    parser.add_argument("--images", type=int, default=192)
    chosen = parser.parse_args()
    print("| model | solver | NFE | schedule | distance | with errors | ratio | change of the images |\n|" + "---|" * 8)
    for model in chosen.models:
        for line in rows(model, chosen.images):
            print(line, flush=True)


if __name__ == "__main__":
    main()
