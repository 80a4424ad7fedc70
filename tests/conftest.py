"""Compiled programs are kept for a test run, also between its processes; equal ones are shared."""

import importlib
import os
import shutil
import tempfile

import pytest

os.environ.setdefault("MUJOCO_GL", "egl")  # before MuJoCo is imported, by whatever test

# The tests' programs run for moments: compiling them well costs more than it saves.
os.environ.setdefault(
    "XLA_FLAGS",
    "--xla_backend_optimization_level=0 --xla_llvm_disable_expensive_passes=true "
    "--xla_cpu_use_fusion_emitters=false --xla_cpu_opt_preset=CPU_OPT_PRESET_FAST_COMPILE",
)

if "JAX_COMPILATION_CACHE_DIR" not in os.environ:  # before JAX is imported; workers inherit it
    os.environ["JAX_COMPILATION_CACHE_DIR"] = tempfile.mkdtemp(prefix="unreset-jax-")
    os.environ["JAX_PERSISTENT_CACHE_MIN_COMPILE_TIME_SECS"] = "0.1"
    _OWNED = os.environ["JAX_COMPILATION_CACHE_DIR"]
else:
    _OWNED = ""

sharing = importlib.import_module("sharing")  # after the above: it imports JAX
sharing.install()

PARTED = "test_contract.py"  # its parameters share nothing, and it would take one process too long


@pytest.hookimpl(optionalhook=True)
def pytest_xdist_make_scheduler(config, log):
    """``--dist loadfile``, but a file can be parted by its parameters."""
    if config.getvalue("dist") != "loadfile":
        return None
    from xdist.scheduler import LoadFileScheduling  # noqa: PLC0415 - where it is installed

    class Parts(LoadFileScheduling):
        def _split_scope(self, nodeid):
            file, _, test = nodeid.partition("::")
            return file + test.partition("[")[2] if file.endswith(PARTED) else file

    return Parts(config, log)


def pytest_unconfigure():
    if _OWNED:
        shutil.rmtree(_OWNED, ignore_errors=True)
