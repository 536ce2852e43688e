r"""Published schedules. Each is one record in ``tables.json``: its noise levels and its source.

A row for N steps has N + 1 values of :math:`\tilde\sigma`; the first N are the nodes. For a number of steps without a row,
the table does what its authors do. "log-linear" interpolates :math:`\log\tilde\sigma` of its only row over the index,

.. math::
    \log\tilde\sigma_i = \operatorname{interp}\left( \frac{i}{N};\; \frac{k}{K}, \log\tilde\sigma^{row}_k \right),
    \qquad i = 0, \dots, N,

and the schedule's provenance says that it was interpolated. A table without interpolation refuses other numbers of steps.

References:
    | Align Your Steps: Optimizing Sampling Schedules in Diffusion Models (Sabour et al., 2024)
    | https://arxiv.org/abs/2404.14507
    | On the Trajectory Regularity of ODE-based Diffusion Sampling (Chen et al., 2024), "GITS"
    | https://arxiv.org/abs/2405.11326
"""

from __future__ import annotations

import json
from functools import cache
from importlib.resources import files
from typing import Any, NamedTuple

import numpy as np

from hso.errors import ArgumentError
from hso.noise import NoiseSchedule
from hso.noise.base import Array


class Table(NamedTuple):
    r"""A record of ``tables.json``.

    Attributes:
        name: The rule.
        title: The model that it was made for, as people call it.
        source: Where the numbers were published.
        decimals: Printed digits after the point. A level that is beyond an end of the noise schedule by no more than the
            rounding is moved to that end.
        interpolation: "log-linear", or None if only the rows may be used.
        rows: For each number of steps N, N + 1 decreasing values of :math:`\tilde\sigma`.
    """

    name: str
    title: str
    source: str
    decimals: int
    interpolation: str | None
    rows: dict[int, list[float]]

    def nodes(self, noise: NoiseSchedule, nfe: int) -> Array:
        r""":math:`\lambda` of the N nodes, shape (N,).

        Raises:
            ArgumentError: If the table has no schedule of N steps, or the noise schedule does not have its noise levels.
        """
        sigmas = self._sigmas(nfe)
        low, high = noise.sigmas(noise.t_range).tolist()
        slack = 0.5 * 10.0**-self.decimals
        if sigmas[0] > high + slack or sigmas[-1] < low - slack:
            expected = f"a schedule that reaches from sigma {sigmas[0]:g} to {sigmas[-1]:g}"
            received = f"{noise.name}, which reaches from {high:.6g} to {low:.6g}"
            raise ArgumentError("noise", expected, received, f"{self.name} was made for {self.title}")
        return -np.log(np.clip(sigmas[:nfe], low, high))

    def provenance(self, nfe: int) -> dict[str, Any]:
        """Where the schedule of N steps comes from."""
        return {"source": self.source, "interpolated": nfe not in self.rows}

    def _sigmas(self, nfe: int) -> Array:
        if nfe in self.rows:
            return np.array(self.rows[nfe])
        if self.interpolation is None:
            expected = f"a number of steps that {self.name} has: {', '.join(map(str, self.rows))}"
            raise ArgumentError("nfe", expected, nfe)
        (row,) = self.rows.values()
        return np.exp(np.interp(np.linspace(0, 1, nfe + 1), np.linspace(0, 1, len(row)), np.log(row)))


@cache
def tables() -> dict[str, Table]:
    """All tables by name, in the order of the file."""
    records = json.loads(files("hso.rules").joinpath("tables.json").read_text(encoding="utf-8"))
    return {record["name"]: _table(record) for record in records}


def _table(record: dict[str, Any]) -> Table:
    return Table(**{**record, "rows": {len(row) - 1: row for row in record["rows"]}})
