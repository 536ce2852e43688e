"""Settings of every scheduler of diffusers: a schedule is refused with the reason, or lands exactly."""

from __future__ import annotations

import copy
import inspect
import pickle
import warnings

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

torch = pytest.importorskip("torch")
diffusers = pytest.importorskip("diffusers")

from benchmarks.recording import make_scheduler, record, told  # noqa: E402

import hso  # noqa: E402
from hso.hosts.diffusers import attach, detach  # noqa: E402
from hso.hosts.diffusers.registry import REFUSED, SCHEDULERS  # noqa: E402
from tests.fuzz.checks import fuzzed, limited, refused  # noqa: E402

SETTINGS = {
    "num_train_timesteps": st.sampled_from([20, 100, 1000, 1001]),
    "beta_schedule": st.sampled_from(["linear", "scaled_linear", "squaredcos_cap_v2"]),
    "prediction_type": st.sampled_from(["epsilon", "v_prediction", "sample", "flow_prediction"]),
    "timestep_spacing": st.sampled_from(["leading", "trailing", "linspace"]),
    "steps_offset": st.integers(0, 2),
    "solver_order": st.integers(1, 3),
    "solver_type": st.sampled_from(["midpoint", "heun", "bh1", "bh2", "logrho"]),
    "algorithm_type": st.sampled_from(["dpmsolver", "dpmsolver++", "sde-dpmsolver++", "deis"]),
    "final_sigmas_type": st.sampled_from(["zero", "sigma_min"]),
    "lower_order_final": st.booleans(),
    "euler_at_final": st.booleans(),
    "use_karras_sigmas": st.booleans(),
    "use_exponential_sigmas": st.booleans(),
    "use_beta_sigmas": st.booleans(),
    "use_lu_lambdas": st.booleans(),
    "use_flow_sigmas": st.booleans(),
    "flow_shift": st.sampled_from([0.5, 1.0, 3.0]),
    "shift": st.sampled_from([0.5, 1.0, 3.0]),
    "shift_terminal": st.sampled_from([None, 0.02, 0.1]),
    "use_dynamic_shifting": st.booleans(),
    "invert_sigmas": st.booleans(),
    "stochastic_sampling": st.booleans(),
    "rescale_betas_zero_snr": st.booleans(),
    "set_alpha_to_one": st.booleans(),
    "clip_sample": st.booleans(),
    "thresholding": st.booleans(),
    "predict_x0": st.booleans(),
    "disable_corrector": st.sampled_from([[], [0], [0, 1]]),
    "interpolation_type": st.sampled_from(["linear", "log_linear"]),
    "timestep_type": st.sampled_from(["discrete", "continuous"]),
    "sigma_min": st.sampled_from([None, 0.002, 0.1]),
    "sigma_max": st.sampled_from([None, 80.0, 10.0]),
}
settings = st.lists(st.sampled_from(sorted(SETTINGS)), max_size=3, unique=True).flatmap(
    lambda names: st.fixed_dictionaries({name: SETTINGS[name] for name in names})
)
# A scheduler of diffusers that holds a lambda cannot be pickled, attached or not.
UNPICKLED = {"SASolverScheduler"}


def pickled(scheduler):
    return scheduler if type(scheduler).__name__ in UNPICKLED else pickle.loads(pickle.dumps(scheduler))


COPIES = st.sampled_from([lambda x: x, copy.copy, copy.deepcopy, pickled])
pytestmark = pytest.mark.filterwarnings("ignore")


@fuzzed
@given(
    st.sampled_from(sorted(name for name in {*SCHEDULERS, *REFUSED} if hasattr(diffusers, name))),
    settings,
    st.integers(1, 9),
    st.sampled_from(["clean", "t_min"]),
    COPIES,
    st.booleans(),
)
def test_a_schedule_is_refused_or_lands_exactly(name, chosen, nfe, terminal, copied, own):
    known = inspect.signature(getattr(diffusers, name)).parameters
    chosen = {key: value for key, value in chosen.items() if key in known}
    with limited("adapter"), warnings.catch_warnings():
        warnings.simplefilter("ignore")
        try:
            scheduler = make_scheduler(name, **chosen)
        except (ValueError, NotImplementedError, ImportError, TypeError):
            # diffusers itself refuses the settings.
            return
        before = dict(scheduler.config)
        try:
            noise = hso.NoiseSchedule.from_config(scheduler)
            schedule = hso.optimize(noise, min(nfe, noise.max_nfe), terminal=terminal).schedule
            attach(scheduler, schedule)
        except hso.HSOError as error:
            refused("adapter", error)
            assert dict(scheduler.config) == before
            return
        scheduler = copied(scheduler)
        scheduler.set_timesteps(schedule.nfe)
        wanted = told(scheduler, schedule) if own else None
        held = scheduler.timesteps.numpy().astype(np.float64)
        if wanted is not None and not before.get("use_dynamic_shifting") and not before.get("invert_sigmas"):
            distinct = held[np.append(True, np.diff(held) != 0)]
            np.testing.assert_allclose(distinct, wanted, atol=2e-4, rtol=1e-6)
        if before.get("prediction_type", "epsilon") == "epsilon" and not before.get("thresholding"):
            seen = record(scheduler, schedule)
            assert torch.isfinite(seen.sample).all()
        detach(scheduler)
        assert {**before} == {**scheduler.config}
