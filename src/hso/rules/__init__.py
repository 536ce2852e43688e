"""Closed-form and published sampling schedules.

- A *range rule* spreads any number of knots over [t_max, t_min] (:mod:`hso.rules.ranges`).
- A *grid rule* chooses training indices, as diffusers' ``timestep_spacing`` does. A *node rule* gives the noise levels of
  the nodes. Both end in the clean sample unless the caller asks for another terminal (:mod:`hso.rules.nodes`).
- A *table* is a schedule that was published as numbers (:mod:`hso.rules.tables`). Each table is a node rule.
- A *pipeline rule* is what some pipeline of diffusers runs by default (:mod:`hso.rules.pipelines`); it gives noise levels.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping

import numpy as np

from hso.errors import ArgumentError, check_choice, check_integer
from hso.noise import NoiseSchedule
from hso.noise.base import Array
from hso.rules import nodes, pipelines, ranges
from hso.rules.ranges import arctan_lambdas, edm_lambdas
from hso.rules.span import Span
from hso.rules.tables import Table, tables
from hso.schedule import CLEAN, SamplingSchedule, check_terminal

# A new rule is one function and one line here; a new table is one record in tables.json.
RANGE_RULES: Mapping[str, Callable[[NoiseSchedule, int, Span], Array]] = {
    "uniform_t": ranges.uniform_t,
    "uniform_lambda": ranges.uniform_lambda,
    "quadratic": ranges.quadratic,
    "edm": ranges.edm,
    "polyexponential": ranges.polyexponential,
    "arctan": ranges.arctan,
    "beta_sigma": ranges.beta_sigma,
}
GRID_RULES: Mapping[str, Callable[[NoiseSchedule, int], Array]] = {
    "trailing": nodes.trailing,
    "leading": nodes.leading,
    "linspace": nodes.linspace,
    "linspace_open": nodes.linspace_open,
    "beta": nodes.beta,
}
NODE_RULES: Mapping[str, Callable[[NoiseSchedule, int], Array]] = {
    "linear_quadratic": nodes.linear_quadratic,
    **{name: table.nodes for name, table in tables().items()},
}
# Not in RULES: a comparison has the one of the model's own pipeline, as "host_default".
PIPELINE_RULES: Mapping[str, Callable[[NoiseSchedule, int], Array]] = {
    "flow_trailing": pipelines.flow_trailing,
    "flow_shifted_twice": pipelines.flow_shifted_twice,
    "flow_unipc": pipelines.flow_unipc,
    "flow_dpm": pipelines.flow_dpm,
    "flow_whole": pipelines.flow_whole,
    "flow_whole_open": pipelines.flow_whole_open,
    "flow_logit_normal": pipelines.flow_logit_normal,
    "flow_uniform_lambda": pipelines.flow_uniform_lambda,
    "flow_edm": pipelines.flow_edm,
    "leading_from_0": pipelines.leading_from_0,
    "leading_open": pipelines.leading_open,
    "uniform_t_open": pipelines.uniform_t_open,
}
TABLES: Mapping[str, Table] = tables()
RULES = (*RANGE_RULES, *GRID_RULES, *NODE_RULES)
# Names that other programs use for a rule. They are not in RULES, so that no comparison counts a rule twice.
ALIASES: Mapping[str, str] = {"exponential": "uniform_lambda", "karras": "edm", "kl_optimal": "arctan"}


def rule_schedule(
    rule: str, noise: NoiseSchedule, nfe: int, terminal: str = CLEAN, span: Span | None = None
) -> SamplingSchedule:
    """The sampling schedule that a rule gives.

    Args:
        rule: One of ``RULES``, ``PIPELINE_RULES`` or ``ALIASES``.
        noise: The noise schedule.
        nfe: Number of nodes.
        terminal: "clean", or "t_min" to land the last step on ``span.t_min``.
        span: Where a range rule begins and ends; by default the whole range of the noise schedule. For a run that begins
            part-way ``t_max`` is its start.

    Raises:
        ArgumentError: If the rule is unknown, its nodes do not fit the noise schedule, a table has no schedule with this
            number of nodes, or ``span.t_max`` is given for a rule whose first node is fixed.

    Example:
        >>> rule_schedule("trailing", NoiseSchedule.preset("sd2.1"), 4).timesteps.tolist()
        [999, 749, 499, 249]
        >>> dict(rule_schedule("ays_sd15", NoiseSchedule.preset("sd1.5"), 5).provenance)["interpolated"]
        True
    """
    rule = ALIASES.get(check_choice("rule", rule, (*RULES, *PIPELINE_RULES, *ALIASES)), rule)
    nfe = check_integer("nfe", nfe, 1, noise.max_nfe)
    ends_clean = check_terminal(terminal) == CLEAN
    span = span or Span()
    provenance = {"strategy": "rule", "rule": rule}
    if rule in TABLES:
        provenance |= TABLES[rule].provenance(nfe)
    if rule in RANGE_RULES:
        knots = RANGE_RULES[rule](noise, nfe if ends_clean else nfe + 1, span)
    elif span.t_max is not None:
        raise ArgumentError("span", f"a span without t_max for rule {rule}, which has a fixed first node", span)
    else:
        knots = _nodes(rule, noise, nfe)
        if not ends_clean:
            knots = np.append(knots, span.lambdas(noise)[1])
    return SamplingSchedule.from_knots(noise, knots, terminal, provenance)


def _nodes(rule: str, noise: NoiseSchedule, nfe: int) -> Array:
    if rule in GRID_RULES:
        return noise.lambda_(noise.time_of_index(GRID_RULES[rule](noise, nfe)))
    return {**NODE_RULES, **PIPELINE_RULES}[rule](noise, nfe)


__all__ = [
    "ALIASES",
    "GRID_RULES",
    "NODE_RULES",
    "PIPELINE_RULES",
    "RANGE_RULES",
    "RULES",
    "TABLES",
    "Span",
    "Table",
    "arctan_lambdas",
    "edm_lambdas",
    "rule_schedule",
    "tables",
]
