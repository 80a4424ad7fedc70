"""Compiled programs are kept for the length of a test run, also between its processes."""

import gc
import os
import shutil
import tempfile

import pytest

os.environ.setdefault("MUJOCO_GL", "egl")  # before MuJoCo is imported, by whatever test

# The tests' programs run for moments: compiling them well costs more than it saves.
os.environ.setdefault(
    "XLA_FLAGS",
    "--xla_backend_optimization_level=0 --xla_llvm_disable_expensive_passes=true "
    "--xla_cpu_use_fusion_emitters=false",
)

if "JAX_COMPILATION_CACHE_DIR" not in os.environ:  # before JAX is imported; workers inherit it
    os.environ["JAX_COMPILATION_CACHE_DIR"] = tempfile.mkdtemp(prefix="unreset-jax-")
    os.environ["JAX_PERSISTENT_CACHE_MIN_COMPILE_TIME_SECS"] = "0.1"
    _OWNED = os.environ["JAX_COMPILATION_CACHE_DIR"]
else:
    _OWNED = ""


gc.set_threshold(50_000, 20, 20)  # tracing makes and keeps many objects: look less often


@pytest.fixture(scope="module", autouse=True)
def forgotten():
    """A process may hold only so many programs: none is kept from one file of tests to the next."""
    yield
    import jax  # noqa: PLC0415 - after the above

    jax.clear_caches()


def pytest_unconfigure():
    if _OWNED:
        shutil.rmtree(_OWNED, ignore_errors=True)
