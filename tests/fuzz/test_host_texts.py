"""Texts of every host: what was written is read back, and what was changed is refused or sound."""

from __future__ import annotations

import numpy as np
from hypothesis import example, given
from hypothesis import strategies as st

import hso
from hso.hosts import HOSTS
from hso.hosts.text import from_text, to_text
from tests.fuzz.checks import check_schedule, fuzzed, limited, refused
from tests.fuzz.values import damaged, edits, kept

MODELS = ("sd2.1", "sd3", "edm-cifar10", "flux-dev", "stable-audio")
hosts, models = st.sampled_from([*HOSTS]), st.sampled_from(MODELS)
counts = st.integers(1, 12)


def schedule_for(model: str, nfe: int, terminal: str) -> hso.SamplingSchedule:
    """A schedule of a closed-form rule."""
    from hso.rules import rule_schedule

    return rule_schedule("uniform_lambda", hso.NoiseSchedule.preset(model), nfe, terminal)


@fuzzed
@given(hosts, models, counts, st.sampled_from(["clean", "t_min"]), st.booleans())
def test_a_text_is_refused_or_read_back(host, model, nfe, terminal, end_clean):
    schedule, noise = schedule_for(model, nfe, terminal), hso.NoiseSchedule.preset(model)
    with limited("host text"):
        try:
            text = to_text(schedule, host, end_clean=end_clean)
            assert all(line.isprintable() for line in text.splitlines())
            found = from_text(text, host, noise)
        except hso.HSOError as error:
            refused("host text", error)
            return
    assert found.nfe == nfe
    assert found.ends_clean == (schedule.ends_clean or end_clean)
    # A whole timestep is rounded, and moved where it would be equal to another.
    whole = "." not in text
    np.testing.assert_allclose(found.network_timesteps, schedule.network_timesteps, atol=nfe if whole else 1e-3)


@fuzzed
@given(hosts, models, counts, edits, kept)
def test_a_changed_text_is_refused_or_sound(host, model, nfe, changes, share):
    try:
        text = to_text(schedule_for(model, nfe, "clean"), host)
    except hso.HSOError:
        return
    check_text(damaged(text.encode(), changes, share).decode(errors="replace"), host, model)


@fuzzed
@given(st.one_of(st.text(max_size=80), st.lists(st.floats(), max_size=9).map(str)), hosts, models)
@example("[" * 100_000, "comfyui", "sd2.1")
@example("1" * 100_000, "comfyui", "sd2.1")
@example("1e400, 1", "k-diffusion", "sd2.1")
@example("٣, ١", "comfyui", "sd2.1")
def test_any_text_is_refused_or_sound(text, host, model):
    check_text(text, host, model)


def check_text(text: str, host: str, model: str) -> None:
    """Check that a text is refused, or stands for a sound schedule."""
    noise = hso.NoiseSchedule.preset(model)
    with limited("host text"):
        try:
            found = from_text(text, host, noise)
        except hso.HSOError as error:
            refused("host text", error)
            return
    check_schedule(found)
