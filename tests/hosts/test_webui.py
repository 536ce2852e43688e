"""What a pass of A1111 and its kin is given, and what remains of it when the program has cut."""

import numpy as np
import pytest
from benchmarks import comfyui_doubles as doubles

import hso
from hso.errors import ArgumentError, HostError
from hso.hosts.comfyui import Run, sigmas_of
from hso.hosts.webui import Pass, read_table, sigmas_of_pass

KINDS = doubles.every_sampling()
SD = read_table(KINDS["discrete, eps"].sigmas)


@pytest.mark.parametrize("extra", [0, 1])
@pytest.mark.parametrize(("total", "run", "denoise"), [(8, 8, 1.0), (10, 7, 0.6), (20, 6, 0.3), (13, 4, 0.3)])
def test_what_remains_is_the_schedule_of_the_steps_that_are_run(total, run, denoise, extra):
    given = sigmas_of_pass(SD, total + extra, Pass(total, run, denoise, "Euler"))
    assert len(given) == total + extra + 1
    assert np.all(np.diff(given) < 0)
    left = [*given[:-2], given[-1]] if extra else given
    assert left[total - run :] == sigmas_of(SD, Run(run, "euler", denoise))


@pytest.mark.parametrize("kind", ["discrete flow, shift 3", "discrete flow, shift 12", "flux, mu 1.15"])
def test_the_shift_of_a_flow_model_is_read_off_its_table(kind):
    sampling = read_table(KINDS[kind].sigmas)
    shift = {"discrete flow, shift 3": 3.0, "discrete flow, shift 12": 12.0}.get(kind, float(np.exp(1.15)))
    t = np.linspace(0.01, 0.99, 20)
    assert sampling.noise.sigma_t(t) == pytest.approx(hso.NoiseSchedule.rectified_flow(shift).sigma_t(t), rel=1e-5)


def test_the_table_of_another_kind_of_model_is_refused():
    with pytest.raises(HostError, match="log-uniform"):
        read_table(KINDS["continuous EDM, v"].sigmas)
    with pytest.raises(HostError, match="sigmas cannot be read"):
        read_table(None)
    with pytest.raises(HostError, match="sigmas cannot be read"):
        read_table(np.array([0.5, np.nan, 2.0]))


def test_a_program_that_asks_for_something_else_is_noticed():
    for asked in (7, 10):
        with pytest.raises(ArgumentError, match="steps: expected an integer from 8 to 9"):
            sigmas_of_pass(SD, asked, Pass(8, 8))
    with pytest.raises(ArgumentError, match="the steps that are run"):
        sigmas_of_pass(SD, 8, Pass(8, 0, 0.5))
