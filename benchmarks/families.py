r"""HSO against each family's default rule, on models whose score and whose ODE solution are exact.

    python -m benchmarks.families                            # writes docs/families_measured.md
    python -m benchmarks.families --quick --out quick.md     # Gaussians only

Models, all of 64 numbers:

- *pixels*: a Gaussian with the power-law spectrum of images (exponent 2), and a mixture fitted to image patches;
- *latents*: a Gaussian with a flatter spectrum (exponent 1), and the mixture under guidance 3 towards three components.

Data have a standard deviation of 1, or of sigma_data where the family says so; pixels 0.5. HSO is `hso.optimize` with no
setting but the terminal, told the space and the guidance. The rule is the default of a pipeline of diffusers that has such
a model, whatever the solver: `default_rule` of the preset in brackets. Where the pipelines leave the spacing to the
scheduler (VP, cosine), it is what diffusers' scheduler for the solver does. Start: noise as hosts draw it. Both figures are
against the exact solution from the same noise, which for a Gaussian is a factor for each direction, so that nothing is
drawn: Frechet distance (squared, for each number of the data, in units of its variance), and root mean square difference
(in its deviation). Below 1 HSO is better.
"""

from __future__ import annotations

import argparse
import math
import sys
from collections.abc import Callable, Iterator, Mapping
from functools import cache
from pathlib import Path
from typing import NamedTuple

import numpy as np

import hso
from hso.comparison.contestants import HOST_RULES
from hso.comparison.runs.threads import one_thread
from hso.comparison.subjects.base import normal
from hso.models.datasets import image_patches
from hso.models.exact import Denoiser, HasScales, scales_at
from hso.models.gaussian import GaussianModel
from hso.models.mixture import GaussianMixture, Guided
from hso.noise import NoiseSchedule, Traits, presets
from hso.noise.base import Array
from hso.objectives.frechet import frechet_distance
from hso.rules import rule_schedule
from hso.solvers import make_solver, nodes, sample

SOLVERS, BUDGETS, DRAWN = ("ddim", "dpmpp_2m", "unipc"), (4, 5, 6, 8, 10), 128


class Family(NamedTuple):
    """A noise schedule, what diffusers does by default for each solver, and the deviation of its data, None for any."""

    noise: NoiseSchedule
    rules: Mapping[str, str]
    deviation: float | None = None


def of_pipeline(name: str, noise: NoiseSchedule | None = None, deviation: float | None = None) -> Family:
    """The family of a preset, or of another noise schedule, with the preset's default rule for every solver."""
    rule = presets()[name].default_rule
    assert rule is not None
    return Family(noise or NoiseSchedule.preset(name), dict.fromkeys(SOLVERS, rule), deviation)


VP_RULES = {name: HOST_RULES[name] for name in SOLVERS}
FAMILIES: Mapping[str, Family] = {
    "VP linear": Family(NoiseSchedule.preset("ddpm"), VP_RULES),
    "VP scaled linear": Family(NoiseSchedule.preset("sd2.1"), VP_RULES),
    "cosine": Family(NoiseSchedule.cosine(), VP_RULES),
    "EDM (cosmos-1)": of_pipeline("cosmos-1", NoiseSchedule.edm(sigma_data=0.5), deviation=0.5),
    "flow, shift 1 (ltx-video-0.9.5)": of_pipeline("ltx-video-0.9.5"),
    "flow, shift 1 (mochi)": of_pipeline("mochi"),
    "flow, shift 3 (sd3)": of_pipeline("sd3"),
    "flow, shift 3 (wan2.1)": of_pipeline("wan2.1"),
    "flow, shift 3 (sana)": of_pipeline("sana"),
    "flow, dynamic (flux-dev)": of_pipeline("flux-dev"),
    "flow, dynamic (cogview4)": of_pipeline("cogview4"),
    "flow, by steps (flux2-dev)": of_pipeline("flux2-dev"),
}


class Case(NamedTuple):
    """A model, what is known of it, and the standard deviation of its data."""

    model: Denoiser
    traits: Traits
    deviation: float


class Scores(NamedTuple):
    """Frechet distance and RMS difference, both relative to the data."""

    frechet: float
    rms: float


@cache
def patches() -> GaussianMixture:
    """Image patches of unit deviation."""
    data = image_patches(8, 5000)
    return GaussianMixture.fit(data / math.sqrt(np.trace(np.cov(data.T)) / data.shape[1]), 10)


def mixture(deviation: float) -> GaussianMixture:
    """The same, of another deviation."""
    unit = patches()
    return GaussianMixture(unit.weights, unit.means * deviation, unit.covariances * deviation**2)


def guided(deviation: float) -> Guided:
    """The mixture under guidance 3 towards its three largest components."""
    whole = mixture(deviation)
    largest = np.argsort(-whole.weights)[:3].tolist()
    return Guided(whole.given(largest), whole, 3.0)


def case(name: str, family: Family) -> Case:
    """A model, scaled for a family."""
    deviation = family.deviation or (0.5 if name.startswith("pixels") else 1.0)
    if name == "pixels, Gaussian":
        return Case(GaussianModel.power_law(8, 2.0, deviation), Traits("pixel", 1.0), deviation)
    if name == "latents, Gaussian":
        return Case(GaussianModel.power_law(8, 1.0, deviation), Traits("latent", 1.0), deviation)
    if name == "pixels, mixture":
        return Case(mixture(deviation), Traits("pixel", 1.0), deviation)
    return Case(guided(deviation), Traits("latent", 3.0), deviation)


def host(level: HasScales, deviation: float) -> float:
    """What hosts multiply unit noise by: sigma where alpha is 1, nothing elsewhere, wherever the schedule begins."""
    return level.sigma if level.alpha == 1 else 1.0


def marginal(level: HasScales, deviation: float) -> float:
    """The standard deviation of the noisy data."""
    return math.hypot(level.alpha * deviation, level.sigma)


Prior = Callable[[HasScales, float], float]
PRIORS: Mapping[str, Prior] = {"host": host, "marginal": marginal}
GAUSSIANS = ("pixels, Gaussian", "latents, Gaussian")
MODELS = (*GAUSSIANS, "pixels, mixture", "latents, guided mixture")


def scores(name: str, family: str, prior: Prior) -> Iterator[tuple[str, int, Scores, Scores]]:
    """Solver, budget, and the scores of HSO and of the rule."""
    noise, rules, _ = FAMILIES[family]
    model, traits, deviation = case(name, FAMILIES[family])
    told = noise.with_traits(traits)
    drawn = np.ones((1, 64)) if isinstance(model, GaussianModel) else normal(0, range(DRAWN), (64,))
    first = float(noise.lambda_(noise.t_range[1]))
    exact = model.solve(drawn * host(scales_at(first, noise), deviation), first, math.inf, noise)
    for solver in SOLVERS:
        for nfe in BUDGETS:
            ours = hso.optimize(told, nfe, solver=solver, terminal="clean").schedule
            both = []
            for schedule in (ours, rule_schedule(rules[solver], noise, nfe)):
                start = drawn * prior(nodes(noise, schedule)[0], deviation)
                found = sample(make_solver(solver), model.x0, noise, schedule, start, prediction="sample")
                both.append(_scores(found, exact, deviation))
            yield solver, nfe, both[0], both[1]


def _scores(found: Array, exact: Array, deviation: float) -> Scores:
    rms = math.sqrt(float(np.square(found - exact).mean())) / deviation
    if len(found) == 1:
        return Scores(float(np.square(np.abs(found) - np.abs(exact)).mean()) / deviation**2, rms)
    moments = ((rows.mean(axis=0), np.cov(rows, rowvar=False)) for rows in (found, exact))
    (mean, covariance), (goal, spread) = moments
    distance = frechet_distance(mean, covariance, goal, spread)
    return Scores(distance / found.shape[1] / deviation**2, rms)


def document(models: tuple[str, ...], prior: Prior) -> Iterator[str]:
    """The page."""
    yield from (
        "# Model families, measured",
        "",
        "Written by `python -m benchmarks.families`, as found; losses in bold.",
    )
    yield from ("", *("Models," + (__doc__ or "").partition("Models,")[2]).strip().splitlines(), "")
    details: list[str] = []
    overall = [
        "| model | family | Frechet, HSO / rule | RMS, HSO / rule | cells lost by Frechet |",
        "|---|---|---|---|---|",
    ]
    for name in models:
        for family in FAMILIES:
            found = list(scores(name, family, prior))
            overall.append(f"| {name} | {family} | {_summary(found)} |")
            details += [f"| {name} | {family} | {_row(*row)} |" for row in found]
            print(overall[-1], flush=True)
    yield from ("## Geometric means over solvers and budgets", "", *overall, "", "## Every cell", "")
    yield "| model | family | solver | NFE | Frechet, HSO | rule | ratio | RMS, HSO | rule | ratio |"
    yield "|---" * 10 + "|"
    yield from details


def _summary(found: list[tuple[str, int, Scores, Scores]]) -> str:
    ratios = np.log([[ours[k] / theirs[k] for k in range(2)] for _, _, ours, theirs in found])
    frechet, rms = np.exp(ratios.mean(axis=0)).tolist()
    return f"{_bold(frechet)} | {_bold(rms)} | {int((ratios[:, 0] > 0).sum())} of {len(found)}"


def _row(solver: str, nfe: int, ours: Scores, theirs: Scores) -> str:
    pairs = (f"{a:.3g} | {b:.3g} | {_bold(a / b)}" for a, b in zip(ours, theirs, strict=True))
    return f"{solver} | {nfe} | {' | '.join(pairs)}"


def _bold(ratio: float) -> str:
    return f"**{ratio:.2f}**" if ratio > 1 else f"{ratio:.2f}"


def main() -> int:
    """Measure and write."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--out", type=Path, default=Path("docs/families_measured.md"))
    parser.add_argument("--quick", action="store_true", help="Gaussians only")
    parser.add_argument("--start", choices=PRIORS, default="host", help="deviation of the noise that is started from")
    given = parser.parse_args()
    with one_thread():
        lines = list(document(GAUSSIANS if given.quick else MODELS, PRIORS[given.start]))
    given.out.write_text("\n".join(lines) + "\n", encoding="utf-8")
    return 0


if __name__ == "__main__":
    sys.exit(main())
