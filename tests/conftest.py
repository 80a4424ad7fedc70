"""Compiled programs are kept for a test run, also between its processes; equal ones are shared."""

import importlib
import os
import shutil
import tempfile

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


def pytest_unconfigure():
    if _OWNED:
        shutil.rmtree(_OWNED, ignore_errors=True)
