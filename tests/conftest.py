"""How tests compile: fast rather than well, and with nothing kept for long."""

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
# What code was used from where is noted for the tests alone.
os.environ["XDG_STATE_HOME"] = _STATE = tempfile.mkdtemp(prefix="unreset-state-")

gc.set_threshold(50_000, 20, 20)  # tracing makes and keeps many objects: look less often

# Commands that tests start in processes of their own, one after the other, share what they compile.
if "JAX_COMPILATION_CACHE_DIR" not in os.environ:
    os.environ["JAX_COMPILATION_CACHE_DIR"] = tempfile.mkdtemp(prefix="unreset-jax-")
    _OWNED = os.environ["JAX_COMPILATION_CACHE_DIR"]
else:
    _OWNED = ""


@pytest.fixture(scope="module", autouse=True)
def forgotten():
    """A process may hold only so many programs: none is kept from one file of tests to the next."""
    import jax  # noqa: PLC0415 - after the above

    # Here it would save little, as tests seldom compile the same program twice.
    jax.config.update("jax_enable_compilation_cache", False)
    yield
    jax.clear_caches()


def pytest_unconfigure():
    shutil.rmtree(_STATE, ignore_errors=True)
    if _OWNED:
        shutil.rmtree(_OWNED, ignore_errors=True)
