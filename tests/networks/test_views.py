"""Seeing: sizes of features, augmentation against a plain one, and what goes into a picture."""

import dataclasses

import jax
import jax.numpy as jnp
import numpy as np
import pytest

import toy
from unreset.core.types import Batch
from unreset.errors import UnresetError
from unreset.learners.sac import SAC
from unreset.networks.encoders import Dense, Encoder, encode, normalised
from unreset.networks.mlp import Critics, Trunk
from unreset.networks.tanh_normal import tanh_normal_log_density
from unreset.networks.views import Seen, Shown, Vision, augment, coarse, looked_at
from unreset.rewards import Discriminator

KEY = jax.random.key(0)
TOY = toy.point()
RAMP = jnp.arange(2 * 6 * 6 * 2, dtype=jnp.uint8).reshape(2, 6, 6, 2)


@pytest.mark.parametrize(
    ("encoder", "size", "features"),
    [("drq", 84, 39_200), ("drq", 100, 59_168), ("strided", 84, 12_800), ("strided", 100, 18_432)],
)
def test_convolutions_put_out_as_many_features_as_published(encoder, size, features):
    network = Encoder(Vision(encoder=encoder))
    seen = jax.eval_shape(network.init_with_output, KEY, jnp.zeros((size, size, 3), jnp.uint8))[0]
    assert seen.shape == (features,)


def test_a_tile_is_seen_by_dense_layers_wherever_it_lies():
    config = Vision(encoder="patches", patch=3, patch_widths=(5,))
    network, image = Encoder(config), jnp.zeros((6, 6, 1), jnp.uint8)
    params = network.init(KEY, image)
    tile = jnp.arange(9, dtype=jnp.uint8).reshape(3, 3, 1) * 20
    pixels = tile.reshape(-1) / 255 - 0.5
    layer = params["params"]["Dense_0"]
    wanted = jax.nn.relu(pixels @ layer["kernel"] + layer["bias"])
    for number, (row, column) in enumerate([(0, 0), (0, 3), (3, 0), (3, 3)]):
        placed = image.at[row : row + 3, column : column + 3].set(tile)
        features = network.apply(params, placed).reshape(4, 5)
        np.testing.assert_allclose(features[number], wanted, rtol=1e-5, atol=1e-6)
        assert np.ptp(np.delete(np.asarray(features), number, axis=0), axis=0).max() == 0


def test_pictures_in_batches_are_encoded_like_single_ones():
    network = Encoder(Vision(encoder="strided", channels=2))
    images = jax.random.randint(KEY, (2, 3, 9, 9, 3), 0, 256).astype(jnp.uint8)
    params = network.init(KEY, images)
    whole = network.apply(params, images)
    assert whole.shape[:2] == (2, 3)
    np.testing.assert_allclose(whole[1, 2], network.apply(params, images[1, 2]), atol=1e-5)


@pytest.mark.parametrize("shape", [(40, 30), (5, 60), (3, 3, 8, 16)])
def test_a_normalised_layer_has_a_largest_singular_value_of_one(shape):
    kernel = jax.random.normal(KEY, shape)
    matrix = np.asarray(normalised(kernel)).reshape(-1, shape[-1])
    assert np.linalg.norm(matrix, 2) == pytest.approx(1.0, abs=0.02)
    doubled = normalised(2 * kernel)
    np.testing.assert_allclose(doubled, normalised(kernel), rtol=1e-4, atol=1e-6)


def test_a_layer_is_normalised_if_it_shall_be():
    inputs = jnp.ones(4)
    plain, normal = Dense(3), Dense(3, normal=True)
    params = plain.init(KEY, inputs)
    kernel = params["params"]["kernel"]
    np.testing.assert_allclose(plain.apply(params, inputs), inputs @ kernel, rtol=1e-5)
    np.testing.assert_allclose(normal.apply(params, inputs), inputs @ normalised(kernel), rtol=1e-5)


def shifted(image, down, right):
    """A picture moved by whole pixels, its border repeated: by loops."""
    height, width, _ = image.shape
    moved = np.empty_like(image)
    for row in range(height):
        for column in range(width):
            from_row = min(max(row + down, 0), height - 1)
            from_column = min(max(column + right, 0), width - 1)
            moved[row, column] = image[from_row, from_column]
    return moved


def test_a_shift_repeats_the_border_and_moves_all_channels_alike():
    config, image = Vision(shift=2), np.asarray(RAMP[0])
    every = {
        shifted(image, down, right).tobytes() for down in range(-2, 3) for right in range(-2, 3)
    }
    assert len(every) == 25
    made = [np.asarray(augment(config, RAMP, jax.random.key(n)))[0].tobytes() for n in range(300)]
    assert set(made) == every  # nothing else, and each of them now and then


def test_two_pictures_of_a_batch_are_shifted_on_their_own():
    same = jnp.stack([RAMP[0]] * 64)
    made = np.asarray(augment(Vision(shift=2), same, KEY))
    assert len({one.tobytes() for one in made}) > 10


def test_a_crop_takes_any_window_in_batches_and_the_middle_one_else():
    config, image = Vision(crop=2), np.asarray(RAMP[0])
    windows = {
        np.ascontiguousarray(image[r : r + 4, c : c + 4]).tobytes()
        for r in range(3)
        for c in range(3)
    }
    made = [np.asarray(augment(config, RAMP, jax.random.key(n)))[0].tobytes() for n in range(100)]
    assert set(made) == windows
    np.testing.assert_array_equal(augment(config, RAMP[0], None), image[1:5, 1:5])


def test_nothing_is_varied_without_shift_or_crop():
    np.testing.assert_array_equal(augment(Vision(), RAMP, KEY), RAMP)


FRAMES = {
    "third": jnp.full((4, 4, 3), 10, jnp.uint8),
    "wrist": jnp.full((4, 4, 3), 20, jnp.uint8),
}
PICTURED = dataclasses.replace(
    TOY,
    goal_pictures={
        "third": np.stack([np.full((4, 4, 3), v, np.uint8) for v in (30, 40)]),
        "wrist": np.stack([np.full((4, 4, 3), v, np.uint8) for v in (50, 60)]),
    },
)


def channels(vision, goal, observation=0.0):
    seen = looked_at(vision, PICTURED, jnp.array([observation]), jnp.array([goal]), FRAMES, None)
    return np.asarray(seen.image[0, 0]).tolist(), np.asarray(seen.vector).tolist()


def test_cameras_and_the_goals_pictures_are_channels():
    assert channels(Vision(pixels=True), toy.GOAL)[0] == [10] * 3 + [20] * 3 + [30] * 3 + [50] * 3
    assert channels(Vision(pixels=True), toy.START)[0] == [10] * 3 + [20] * 3 + [40] * 3 + [60] * 3


def test_one_may_look_through_some_cameras_and_see_the_goal_as_numbers_or_not():
    wrist = Vision(pixels=True, cameras=("wrist",), goal_view="none")
    assert channels(wrist, toy.GOAL) == ([20] * 3, [])
    told = dataclasses.replace(wrist, goal_view="vector", proprioception=True)
    assert channels(told, toy.GOAL, 0.5) == ([20] * 3, [0.5, toy.GOAL])


def test_the_goals_picture_may_be_of_another_camera():
    config = Vision(pixels=True, cameras=("wrist",), goal_cameras=("third",), image_size=12)
    size = (12, 12, 3)
    pictures = {
        "third": np.full((2, *size), 9, np.uint8),
        "wrist": np.full((2, *size), 7, np.uint8),
    }
    task = dataclasses.replace(TOY, goal_pictures=pictures)
    frames = {"wrist": jnp.full(size, 5, jnp.uint8)}
    seen = looked_at(config, task, jnp.zeros(1), jnp.ones(1), frames, None)
    assert np.unique(seen.image[..., :3]) == [5]
    assert np.unique(seen.image[..., 3:]) == [9]


def test_keypoints_say_where_something_is_and_whether():
    config = Vision(encoder="keypoints", patch=2, patch_widths=(1,))
    network, image = Encoder(config), jnp.zeros((8, 8, 1), jnp.uint8)
    params = network.init(KEY, image)["params"]
    params["Dense_0"] = {"kernel": jnp.full((4, 1), 10.0), "bias": jnp.zeros(1)}
    for row, column in [(0, 0), (1, 3), (2, 1)]:  # of 4 by 4 tiles with centres at -.75, -.25, ...
        lit = image.at[2 * row : 2 * row + 2, 2 * column : 2 * column + 2].set(255)
        x, y, presence = network.apply({"params": params}, lit)
        np.testing.assert_allclose([x, y], [column / 2 - 0.75, row / 2 - 0.75], atol=1e-5)
        # The score is 3 * 10 * 4 * .5 = 60 there: tanh((60 - log 16) / 4)
        assert float(presence) == pytest.approx(1.0)
    x, y, presence = network.apply({"params": params}, image)  # nothing anywhere: -60
    np.testing.assert_allclose([x, y, presence], [0.0, 0.0, -1.0], atol=1e-5)


def test_the_robot_knows_how_it_stood_where_the_goals_picture_was_taken():
    config = Vision(
        pixels=True,
        cameras=("third",),
        image_size=12,
        proprioception=True,
        goal_proprioception=True,
    )
    size = (2, 12, 12, 3)
    task = dataclasses.replace(
        TOY,
        goal_pictures={"third": np.zeros(size, np.uint8)},
        goal_observations=np.array([[0.9], [-0.9]], np.float32),
    )
    frames = {"third": jnp.zeros(size, jnp.uint8)}
    goal = jnp.array([[toy.START], [toy.GOAL]])
    shown = Shown(jnp.array([False, True]), frames, jnp.array([[0.3], [0.4]]))
    seen = looked_at(config, task, jnp.array([[0.1], [0.2]]), goal, frames, None, shown)
    np.testing.assert_allclose(seen.vector, [[0.1, -0.9], [0.2, 0.4]])
    with pytest.raises(UnresetError, match="takes proprioception"):
        Vision(goal_proprioception=True)


@pytest.mark.slow
@pytest.mark.parametrize("encoder", ["patches", "keypoints", "drq", "strided"])
def test_half_precision_is_nearly_the_same(encoder):
    image = jax.random.randint(KEY, (15, 15, 3), 0, 256).astype(jnp.uint8)
    full, half = (
        Encoder(Vision(encoder=encoder, patch=5, precision=precision))
        for precision in ("float32", "bfloat16")
    )
    params = full.init(KEY, image)
    jax.tree.map(np.testing.assert_array_equal, params, half.init(KEY, image))
    wanted, found = full.apply(params, image), half.apply(params, image)
    assert found.dtype == jnp.float32
    assert 0 < float(jnp.abs(found - wanted).max()) < 0.05 * float(jnp.abs(wanted).max())


def test_a_coarse_picture_holds_the_means_of_its_fields():
    image = jnp.zeros((4, 4, 1), jnp.uint8).at[:2, 2:].set(255).at[3, 0].set(51)
    np.testing.assert_allclose(coarse(image, side=2), [0.0, 1.0, 0.05, 0.0], atol=1e-6)


def test_numbers_are_put_beside_the_features_after_the_trunk():
    seen = Seen(jnp.ones(6), jnp.array([3.0, 4.0]))
    trunk = Trunk(5)
    out = trunk.apply(trunk.init(KEY, seen), seen)
    assert out.shape == (7,)
    np.testing.assert_array_equal(out[5:], [3.0, 4.0])
    assert np.abs(out[:5]).max() <= 1


def test_critics_have_a_trunk_of_their_own_if_they_shall():
    seen, action = jnp.ones(6), jnp.zeros(2)

    def kernel(own):
        params = Critics((4,), 3, trunk=5, own_trunks=own).init(KEY, seen, action)["params"]
        (trunk,) = (value for name, value in params.items() if "Trunk" in name)
        return jax.tree.leaves({"kernel": trunk["Dense_0"]["kernel"]})[0].shape

    assert kernel(False) == (6, 5)
    assert kernel(True) == (3, 6, 5)


def test_a_discriminator_sees_as_the_policy_does_unless_it_says_otherwise():
    vision = Vision(cameras=("third", "wrist"), proprioception=True, encoder="drq")
    assert Discriminator().sight(vision) == vision
    own = Discriminator(cameras=("wrist",), proprioception=False, see_goal=False, encoder="strided")
    seen = own.sight(vision)
    assert (seen.cameras, seen.proprioception, seen.goal_view) == (("wrist",), False, "none")
    assert seen.encoder == "strided"


LEARNS = SAC(
    vision=Vision(pixels=True, patch=2, patch_widths=(3,), encoder="patches", features=4),
    hidden=(8,),
    learning_rate=1e-2,
)


def batch():
    keys = jax.random.split(KEY, 4)
    image, later = (
        jax.random.randint(k, (16, 4, 4, 3), 0, 256).astype(jnp.uint8) for k in keys[:2]
    )
    numbers = jnp.zeros((16, 1))
    return Batch(
        Seen(image, numbers),
        jax.random.uniform(keys[2], (16, 2), minval=-1.0),
        Seen(later, numbers),
        jax.random.normal(keys[3], (16,)),
        jnp.ones(16),
        jnp.ones(16),
        jnp.zeros(16),
    )


def moved(one, other):
    return max(
        float(jnp.abs(a - b).max())
        for a, b in zip(jax.tree.leaves(one), jax.tree.leaves(other), strict=True)
    )


def learner(config=LEARNS):
    rows = batch()
    return config.init(KEY, jax.tree.map(lambda x: x[0], rows.inputs), 2)


@pytest.mark.slow
def test_the_critics_loss_trains_the_encoder_and_the_policys_does_not():
    before, rows = learner(), batch()
    taught, encoded, _ = LEARNS.critic_step(before, rows, KEY)
    assert moved(before.encoder, taught.encoder) > 1e-4
    after, _ = LEARNS.policy_step(before, rows, jnp.int32(0), KEY, encoded)
    assert moved(before.encoder, after.encoder) == 0
    assert moved(before.actor, after.actor) > 1e-4


def test_the_policys_loss_trains_the_encoder_if_it_shall():
    config = dataclasses.replace(LEARNS, policy_shapes_encoder=True)
    before = learner(config)
    after, _ = config.policy_step(before, batch(), jnp.int32(0), KEY)
    assert moved(before.encoder, after.encoder) > 1e-4


def test_cloning_trains_the_encoder():
    before, batches = learner(), jax.tree.map(lambda x: x[None], batch())
    after, _ = LEARNS.cloner().update(before, batches, jnp.int32(0), KEY)
    assert moved(before.encoder, after.encoder) > 1e-4


def test_the_deployed_policy_has_an_encoder_that_follows_too():
    config = dataclasses.replace(LEARNS, average_tau=0.25)
    before = learner(config)
    batches = jax.tree.map(lambda x: x[None], batch())
    after, _ = config.update(before, batches, jnp.int32(0), KEY)
    wanted = jax.tree.map(lambda a, b: a + 0.25 * (b - a), before.average, config.actor(after))
    assert moved(wanted, after.average) < 1e-6
    assert set(after.average) == {"params", "encoder"}


def test_a_fixed_temperature_stays_also_at_zero():
    config = dataclasses.replace(LEARNS, initial_temperature=0.0, learn_temperature=False)
    before = learner(config)
    after, metrics = config.policy_step(before, batch(), jnp.int32(0), KEY)
    assert float(metrics["temperature"]) == 0.0
    assert float(before.log_temperature) == float(after.log_temperature) == 0.0
    assert np.isfinite(float(metrics["policy_loss"]))


def test_cloning_by_likelihood_is_a_share_of_the_loss():
    """At a weight of one nothing but the demonstrations counts: minus their log density."""
    config = dataclasses.replace(LEARNS, cloning_form="likelihood", self_cloning=0.0)
    before, rows = learner(config), batch()
    _, metrics = config.policy_step(before, rows, jnp.int32(0), KEY)
    encoded = encode(config.vision, before.encoder, rows.inputs)
    mean, log_std = config.policy(before.actor, encoded)
    wanted = -float(tanh_normal_log_density(mean, log_std, rows.action).mean())
    assert float(metrics["policy_loss"]) == pytest.approx(wanted, rel=1e-5)


def test_the_log_density_of_an_action_is_that_of_the_tanh_of_a_normal():
    mean, log_std, action = jnp.array([0.3]), jnp.array([-0.5]), jnp.array([0.6])
    before, std = np.arctanh(0.6), np.exp(-0.5)
    normal = np.exp(-0.5 * ((before - 0.3) / std) ** 2) / (std * np.sqrt(2 * np.pi))
    wanted = np.log(normal / (1 - 0.6**2))
    assert float(tanh_normal_log_density(mean, log_std, action)) == pytest.approx(wanted, rel=1e-5)
    assert np.isfinite(float(tanh_normal_log_density(mean, log_std, jnp.array([1.0]))))


def test_the_published_schedule_of_cloning():
    config = SAC(cloning_start=1.0, cloning_end=0.1, cloning_after=10_000, cloning_steps=40_000)
    found = [float(config.cloning_weight(jnp.int32(n))) for n in (0, 10_000, 30_000, 50_000)]
    np.testing.assert_allclose(found, [1.0, 1.0, 0.55, 0.1], atol=1e-6)


@pytest.mark.parametrize(
    ("sizes", "message"),
    [
        ({"image_size": 32, "patch": 6}, "tiles of patch=6"),
        ({"image_size": 14, "encoder": "drq"}, "needs 15"),
        ({"image_size": 10, "crop": 4, "encoder": "strided"}, "needs 7"),
    ],
)
def test_sizes_that_do_not_go_together_are_refused(sizes, message):
    Vision(**sizes)  # nobody looks
    with pytest.raises(UnresetError, match=message):
        Vision(pixels=True, **sizes)


@pytest.mark.parametrize(("encoder", "size"), [("drq", 15), ("strided", 7)])
def test_the_smallest_pictures_leave_something(encoder, size):
    network = Encoder(Vision(encoder=encoder, channels=3))
    seen = jax.eval_shape(network.init_with_output, KEY, jnp.zeros((size, size, 3), jnp.uint8))[0]
    assert seen.shape == (3,)
