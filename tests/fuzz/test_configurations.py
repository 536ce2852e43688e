"""Configurations of every scheduler of diffusers, with fields of any value."""

from __future__ import annotations

import functools
import inspect
import json
import warnings

import pytest
from hypothesis import assume, example, given
from hypothesis import strategies as st

diffusers = pytest.importorskip("diffusers")

import hso  # noqa: E402
from hso.noise import presets  # noqa: E402
from hso.noise.config import known_classes  # noqa: E402
from tests.fuzz.checks import check_noise, check_ran, check_schedule, fuzzed, limited, refused, run  # noqa: E402
from tests.fuzz.values import values  # noqa: E402

CLASSES = sorted({name for name in vars(diffusers.schedulers) if name.endswith("Scheduler")} | {*known_classes()})
LIKELY = st.one_of(
    st.booleans(),
    st.integers(1, 2000),
    st.floats(0, 1),
    st.floats(1e-6, 100),
    st.sampled_from(
        ["linear", "scaled_linear", "squaredcos_cap_v2", "epsilon", "v_prediction", "sample", "zero", "sigma_min"]
    ),
)


@functools.cache
def fields(class_name: str) -> dict[str, object]:
    """The configuration of a scheduler that was made without arguments."""
    kind = getattr(diffusers, class_name, None)
    if kind is None:
        return {}
    known = inspect.signature(kind).parameters.values()
    usual = {each.name: each.default for each in known if each.default is not inspect.Parameter.empty}
    return {name: value for name, value in usual.items() if isinstance(value, bool | int | float | str | None)}


@st.composite
def configurations(draw):
    """A configuration with a few fields of other values, and perhaps without a class name."""
    class_name = draw(st.sampled_from(CLASSES))
    config = {"_class_name": class_name, **fields(class_name)}
    if draw(st.integers(0, 9)) == 0:
        del config["_class_name"]
    names = st.sampled_from(
        sorted({*config, "_class_name", "num_train_timesteps", "shift", "sigma_max", "trained_betas"})
    )
    for name in draw(st.lists(names, max_size=3)):
        config[name] = draw(st.one_of(LIKELY, LIKELY, values))
    return config


@fuzzed
@given(configurations())
@example({"_class_name": "DDIMScheduler", "num_train_timesteps": 20})
@example({"_class_name": "FlowMatchEulerDiscreteScheduler", "num_train_timesteps": 100_000})
def test_a_configuration_is_refused_or_has_a_sound_noise_schedule(config):
    with limited("configuration"), warnings.catch_warnings():
        warnings.simplefilter("error")
        try:
            noise = hso.NoiseSchedule.from_config(config)
        except hso.HSOError as error:
            refused("configuration", error)
            return
        check_noise(noise)
        check_schedule(hso.optimize(noise, min(3, noise.max_nfe)).schedule)


@fuzzed
@given(
    configurations(), st.sampled_from(["exact", "exact:grid=training", "bilevel:generations=2,population=3", "local"])
)
def test_the_command_takes_it_or_refuses_it_in_one_line(config, strategy):
    try:
        content = json.dumps(config)
    except UnicodeEncodeError:
        assume(False)
    ran = run(["optimize", "--noise", "c.json", "--nfe", "2", "--strategy", strategy, "--json"], {"c.json": content})
    check_ran(ran)
    ran = run(["lint", "999,499,1", "--host", "diffusers:UniPCMultistep", "--config", "c.json"], {"c.json": content})
    check_ran(ran, (0, 1, 2))


@fuzzed
@given(values)
def test_any_json_value_is_refused_or_is_a_model(value):
    ran = run(["optimize", "--noise", "c.json", "--nfe", "2"], {"c.json": json.dumps(value)})
    check_ran(ran)


@st.composite
def folders(draw):
    """The two files of a pipeline like that of a preset, with a few fields of other values."""
    preset = draw(st.sampled_from([each for each in presets().values() if each.pipeline]))
    index = {"_class_name": preset.pipeline, "boundary_ratio": preset.boundary, "vae": ["diffusers", "AutoencoderKL"]}
    files = [index, dict(preset.config)]
    for file in files:
        for name in draw(st.lists(st.sampled_from([*sorted(file), "_class_name", "use_dynamic_shifting"]), max_size=2)):
            file[name] = draw(st.one_of(LIKELY, values))
    return files


@fuzzed
@given(folders(), st.sampled_from([[], ["sdxl"], ["--json"]]))
@example([{"_class_name": "FluxPipeline"}, {"_class_name": ["\x1b[2J"], "use_dynamic_shifting": []}], [])
def test_a_folder_is_compared_with_its_preset_or_refused_in_one_line(found, more):
    try:
        contents = [json.dumps(each) for each in found]
    except UnicodeEncodeError:
        assume(False)
    names = ("model/model_index.json", "model/scheduler/scheduler_config.json")
    prepared = dict(zip(names, contents, strict=True))
    # Code 1 says that there are differences.
    check_ran(run(["presets", *more, "--check", "model"], prepared), (0, 1, 2))
    check_ran(run(["optimize", "--noise", "model", "--nfe", "2", "--json"], prepared))
