"""The paper's Table 7: four configurations, each a choice of objective and strategy, none a copy of code."""

from typing import Any

import hso
from hso.search import Bilevel

noise = hso.NoiseSchedule.preset("sd2.1")
# Full-size populations take minutes for the objective that is not additive; this shows the options.
small = Bilevel(population=3, generations=3, lower_iterations=40)
configurations: dict[str, dict[str, Any]] = {
    "A: DM-NonUniform": {"objective": "dm_nonuniform", "strategy": "local"},
    "B: A + bi-level": {"objective": "dm_nonuniform", "strategy": small},
    "C: A + MEP": {"objective": "mep", "strategy": "local"},
    "Ours": {"objective": "mep", "strategy": "bilevel"},
}
for name, options in configurations.items():
    result = hso.optimize(noise, nfe=4, solver="unipc", **options)
    print(f"{name:18} t = {result.schedule.times.round(3).tolist()}  penalty {result.penalty:.2g}")
