"""Files of calibrations: bytes that were changed, and fields that were changed."""

from __future__ import annotations

import functools
import io
import json
import tempfile
import zipfile
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

import hso
from hso.models.gaussian import GaussianModel
from tests.fuzz.checks import check_schedule, fuzzed, limited, refused
from tests.fuzz.values import damaged, edits, kept, values


@functools.cache
def whole() -> bytes:
    """A calibration of eight images."""
    noise = hso.NoiseSchedule.preset("sd2.1")
    x = np.random.default_rng(0).standard_normal((8, 36))
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder, "whole")
        hso.calibrate(GaussianModel.power_law(6).eps, noise, x, points=8).save(path)
        return path.read_bytes()


def check_file(content: bytes) -> None:
    """Check that a file is refused by name, or gives a schedule with finite numbers."""
    with tempfile.TemporaryDirectory() as folder, limited("calibration file"):
        path = Path(folder, "c")
        path.write_bytes(content)
        try:
            calibration = hso.Calibration.load(path)
        except hso.FileError as error:
            refused("calibration file", error, f"{path}: ")
            return
        try:
            found = hso.optimize(hso.NoiseSchedule.preset("sd2.1"), 3, calibration=calibration)
        except hso.HSOError as error:
            refused("calibration file", error)
            return
    assert np.isfinite(found.objective)
    check_schedule(found.schedule)


@fuzzed
@given(edits, kept)
def test_changed_bytes(changes, share):
    check_file(damaged(whole(), changes, share))


@fuzzed
@given(st.data())
def test_changed_fields(data):
    with np.load(io.BytesIO(whole()), allow_pickle=False) as file:
        arrays = {name: file[name] for name in file.files}
    name = data.draw(st.sampled_from(sorted(arrays)))
    if name == "record":
        record = json.loads(arrays[name].tobytes())
        field = data.draw(st.sampled_from(sorted(record)))
        record[field] = data.draw(values)
        arrays[name] = np.frombuffer(json.dumps(record).encode(), dtype=np.uint8)
    else:
        arrays[name] = data.draw(changed(arrays[name]))
    buffer = io.BytesIO()
    np.savez(buffer, **arrays)
    check_file(buffer.getvalue())


@st.composite
def changed(draw, array):
    """An array with other values, another shape or another type."""
    number = draw(st.sampled_from([np.nan, np.inf, -np.inf, 0.0, -1.0, 1e308, 1e-308, -1e30]))
    flat = array.astype(np.float64).reshape(-1)
    kinds = [
        lambda: np.full_like(array, number, dtype=np.float64),
        lambda: np.insert(flat, 0, number)[1:].reshape(array.shape) if flat.size else flat,
        lambda: array[:0],
        lambda: array[..., None],
        lambda: array[:1],
        lambda: np.array(number),
        lambda: array.astype(str),
        lambda: array.astype(np.complex128),
        lambda: array.astype(np.int8),
        lambda: -array.astype(np.float64),
        lambda: array[::-1],
        lambda: np.concatenate([array, array]) if array.ndim else array,
    ]
    with np.errstate(all="ignore"):
        return draw(st.sampled_from(kinds))()


def test_an_archive_that_unpacks_to_a_thousand_times_its_size_is_refused():
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w", zipfile.ZIP_DEFLATED) as archive, archive.open("lambdas.npy", "w") as member:
        for _ in range(70):
            member.write(bytes(2**20))
    with limited("calibration file"), tempfile.TemporaryDirectory() as folder:
        path = Path(folder, "bomb")
        path.write_bytes(buffer.getvalue())
        assert path.stat().st_size < 10**6
        with pytest.raises(hso.FileError, match="expected a calibration, found something else"):
            hso.Calibration.load(path)


def test_an_array_that_says_it_is_larger_than_the_memory_is_refused():
    header = io.BytesIO()
    np.lib.format.write_array_header_1_0(header, {"descr": "<f8", "fortran_order": False, "shape": (2**50,)})
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w") as archive:
        archive.writestr("lambdas.npy", header.getvalue())
    check_file(buffer.getvalue())
