"""A policy that was exported before the house was rebuilt: it loads and acts as it did."""

from pathlib import Path

import numpy as np

from unreset import Policy

FILE = Path(__file__).parent / "data" / "policy-of-0.1.safetensors"


def test_a_policy_of_an_earlier_version_acts_as_it_did():
    policy = Policy.load(FILE)
    assert (policy.metadata["method"], policy.metadata["task"]) == ("medal", "toy")
    action = policy(np.array([0.3], np.float32), np.array([1.0], np.float32))
    np.testing.assert_allclose(action, [-0.2650448977947235], rtol=1e-6)
