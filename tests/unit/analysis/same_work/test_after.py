"""The timed objects of two sides, asked after the timing: what is taken for rounding, and what for other work."""

from __future__ import annotations

import numpy as np
import pytest

from dlprof.analysis.same_work import after, parity
from dlprof.workload import resolve

WORKLOADS = {side: resolve("mlp", framework="tf") for side in "ab"}


def answer(**changed: np.ndarray) -> after.Answer:
    """What an honest side answers, but for what is changed ('replay/losses' is written replay_losses)."""
    random = np.random.default_rng(1)
    arrays = {
        "run/updates": np.array([700, 700]),
        "run/moved": np.array(9.9),
        "replay/losses": np.array([2.3, 2.2, 2.1]),
        "replay/moved/dense1/w": random.normal(0, 1e-3, (20, 64)),
        "replay/fed/dense1/w": np.linspace(-1e-3, 1e-3, 1280).reshape(20, 64),
        "replay/given/dense1/w": random.normal(0, 1e-3, (20, 64)),
        "replay/logits": random.normal(0, 1, (128, 1)),
    }
    arrays.update(
        {name.replace("_", "/", 1 if name.startswith("run") else 2): value for name, value in changed.items()}
    )
    return after.Answer(arrays, {})


def blocking(b: after.Answer, **allowed: object) -> list[str]:
    found = after.check(answer(), b, WORKLOADS, **allowed)
    return [one["where"] for one in parity.blocking(found)]


def test_sides_that_differ_by_rounding_alone_did_the_same_work() -> None:
    rounded = answer().arrays["replay/moved/dense1/w"] * (1 + 1e-5)
    assert not blocking(answer(**{"replay_moved_dense1/w": rounded}, run_moved=np.array(9.87)))


@pytest.mark.parametrize(
    ("changed", "where"),
    [
        ({"run_updates": np.array([700, 350])}, "run/updates"),
        ({"run_moved": np.array(6.0)}, "run/moved"),
        ({"replay_losses": np.array([2.3, 2.2, 2.2])}, "replay/losses"),
    ],
)
def test_what_no_rounding_explains_forbids_a_verdict(changed: dict[str, np.ndarray], where: str) -> None:
    assert blocking(answer(**changed)) == [where]


def test_a_learning_rate_of_one_percent_more_shows_in_how_far_known_steps_move_the_weights() -> None:
    moved = answer().arrays["replay/given/dense1/w"] * 1.01
    assert blocking(answer(**{"replay_given_dense1/w": moved})) == ["replay/given/dense1/w"]


def test_steps_that_go_elsewhere_as_far_are_other_steps() -> None:
    moved = answer().arrays["replay/moved/dense1/w"]
    found = after.check(answer(), answer(**{"replay_moved_dense1/w": -moved}), WORKLOADS)
    assert [one["sentence"] for one in found] == [
        "after timing: train_block: the same steps move dense1/w elsewhere: 200.0 % apart (known steps)"
    ]


def test_an_error_within_the_tolerance_of_sums_but_beyond_that_of_the_type_is_a_lower_precision() -> None:
    logits = answer().arrays["replay/logits"]
    noise = np.random.default_rng(2).normal(0, 4e-5, logits.shape)
    (found,) = after.check(answer(), answer(replay_logits=logits * (1 + noise)), WORKLOADS)
    assert (found["what"], found["blocks"]) == ("precision", "yes")


@pytest.mark.parametrize(
    ("changed", "item"),
    [
        ({"replay_logits": np.zeros((128, 1))}, "infer_block"),
        ({"run_updates": np.array([700, 693])}, "train_block"),
        ({"replay_losses": np.array([2.3, 2.2, 2.2])}, "train_block"),
    ],
)
def test_a_difference_of_a_network_names_the_item(changed: dict[str, np.ndarray], item: str) -> None:
    (found,) = after.check(answer(), answer(**changed), WORKLOADS)
    assert found["sentence"].startswith(f"after timing: {item}: ")


@pytest.mark.parametrize("item", ["train_block", "infer_block"])
def test_work_of_a_network_that_was_put_off_is_of_the_network_as_a_whole(item: str) -> None:
    late = after.Answer(answer().arrays, {item: 3.0})
    (found,) = after.check(answer(), late, WORKLOADS)
    assert "item" not in found
    assert found["blocks"] == "yes"
    assert found["sentence"].startswith(f"after timing: {item} of B does 300 % as much work again")


def test_an_optimizer_that_does_not_count_is_not_accused() -> None:
    assert not blocking(answer(run_updates=np.array([700, -1])))


def test_weights_that_were_allowed_to_differ_do_not_block() -> None:
    assert not blocking(answer(run_moved=np.array(6.0)), allow=["weights"])


@pytest.mark.parametrize(
    "where", ["replay/one/dense1/w@0", "replay/bright/dense1/w", "replay/still/dense1/w", "run/last/dense1/w"]
)
def test_each_movement_of_a_parameter_is_one_of_the_weights(where: str) -> None:
    moving, still = ({**answer().arrays, where: value} for value in (np.ones(3), np.zeros(3)))
    sides = after.Answer(moving, {}), after.Answer(still, {})
    assert [one["where"] for one in parity.blocking(after.check(*sides, WORKLOADS))] == [where]
    assert not parity.blocking(after.check(*sides, WORKLOADS, allow=["weights"]))


def test_a_result_that_one_side_alone_has_is_named() -> None:
    one_sided = after.Answer({"timed/matmul[size=50]@0": np.ones(3)}, {})
    found = after.check(one_sided, after.Answer({}, {}), WORKLOADS)
    assert [(one["item"], one["what"]) for one in found] == [("matmul[size=50]", "missing")]


def test_work_that_was_put_off_names_its_item() -> None:
    late = after.Answer({}, {"matmul[size=50]": 0.9})
    (found,) = after.check(after.Answer({}, {}), late, WORKLOADS)
    assert (found["item"], found["blocks"]) == ("matmul[size=50]", "yes")
    assert not after.check(after.Answer({}, {}), after.Answer({}, {"matmul[size=50]": 0.1}), WORKLOADS)


def test_a_second_run_of_steps_that_one_side_alone_needed_is_no_array_that_the_other_lacks() -> None:
    """A framework that sums in another order each time beside one that does not."""
    moved = {"run/blocks/one/w": np.ones(3), "run/singly/one/w@0": np.ones(3)}
    noisy = {**moved, "run/singly/one/w@0": 1.001 * np.ones(3), "run/singly/one/w@1": 1.0005 * np.ones(3)}
    assert not parity.blocking(after.check(after.Answer(moved, {}), after.Answer(noisy, {}), WORKLOADS))


@pytest.mark.parametrize(
    ("deferred", "saved", "told"), [(None, 0.1, "puts work off"), (0.1, None, "keeps results"), (0.1, 0.1, "")]
)
def test_what_a_busy_machine_leaves_unsettled_is_told_and_forbids_nothing(
    deferred: float | None, saved: float | None, told: str
) -> None:
    busy = after.Answer({}, {"relu[size=50]": deferred}, {"relu[size=50]": saved})
    found = after.check(after.Answer({}, {}), busy, WORKLOADS)
    assert [one["blocks"] for one in found] == ["no"] * bool(told)
    assert all(
        one["sentence"].startswith(f"after timing: whether relu[size=50] of B {told} was not settled") for one in found
    )


def known_steps_elsewhere(kind: str = "moved") -> after.Answer:
    """By 8 % of the way: more than honest sides are apart on nearly all batches, and less than rounding may do on one."""
    return answer(**{f"replay_{kind}_dense1/w": 1.08 * answer().arrays[f"replay/{kind}/dense1/w"]})


def further() -> after.Answer:
    """As far as where one of few steps is left out."""
    return answer(**{"replay_moved_dense1/w": 0.7 * answer().arrays["replay/moved/dense1/w"]})


@pytest.mark.parametrize(("losses", "asked"), [([2.3, 2.2, 2.1005], True), ([2.3, 2.2, 2.11], False)])
def test_losses_that_are_off_by_more_than_rounding_makes_are_not_asked_again(losses: list[float], asked: bool) -> None:
    found = after.check(answer(), answer(replay_losses=np.array(losses)), WORKLOADS)
    assert [one["blocks"] for one in found] == ["yes"]
    assert "train_block: replay/losses differs by up to" in found[0]["sentence"]
    assert after.doubtful(found) is asked


def test_known_steps_that_led_further_than_rounding_does_are_excused_by_no_other_batch() -> None:
    first = after.check(answer(), further(), WORKLOADS)
    assert [one["blocks"] for one in first] == ["yes"]
    assert not after.doubtful(first)


def test_known_steps_that_lead_further_on_another_batch_confirm_the_first() -> None:
    first = after.check(answer(), known_steps_elsewhere(), WORKLOADS)
    confirmed = after.confirmed(first, after.check(answer(), further(), WORKLOADS))
    assert [one["blocks"] for one in confirmed] == ["yes", "yes"]
    assert not after.doubtful(confirmed)


@pytest.mark.parametrize("kind", ["moved", "fed"])
def test_known_steps_that_led_elsewhere_on_one_batch_and_not_on_another_are_rounding_and_stay_told(kind: str) -> None:
    """Batches that have become others, and those of the feed as they are."""
    first = after.check(answer(), known_steps_elsewhere(kind), WORKLOADS)
    assert after.doubtful(first)
    (told,) = after.confirmed(first, after.check(answer(), answer(), WORKLOADS))
    assert told["blocks"] == "no"
    assert "not on other batches, so by rounding" in told["sentence"]


def test_known_steps_that_lead_elsewhere_on_every_batch_forbid_a_verdict() -> None:
    first = after.check(answer(), known_steps_elsewhere(), WORKLOADS)
    assert after.confirmed(first, first) == first


@pytest.mark.parametrize(
    "more", [{"run_moved": np.array(6.0)}, {"run_updates": np.array([700, 350])}], ids=["moved", "updates"]
)
def test_where_more_is_wrong_than_known_steps_nobody_is_asked_again(more: dict[str, np.ndarray]) -> None:
    elsewhere = {"replay_moved_dense1/w": known_steps_elsewhere().arrays["replay/moved/dense1/w"]}
    assert not after.doubtful(after.check(answer(), answer(**elsewhere, **more), WORKLOADS))
    assert not after.doubtful(after.check(answer(), answer(), WORKLOADS))


def test_time_that_is_saved_on_known_input_forbids_a_verdict() -> None:
    keeps = after.Answer(answer().arrays, {}, {"infer_block": 0.8})
    (found,) = after.check(answer(), keeps, WORKLOADS)
    assert (found["where"], found["what"], found["blocks"]) == ("timed/infer_block", "saved", "yes")
    assert not after.check(answer(), after.Answer(answer().arrays, {}, {"infer_block": 0.2}), WORKLOADS)


def test_the_size_of_a_parameters_gradients_is_taken_where_it_has_any() -> None:
    arrays = {"grad/conv1/w": np.array([3.0, -3.0]), "grad/conv1/b": np.zeros(2), "logits": np.ones(3)}
    assert after.scales(arrays) == {"conv1/w": 3.0}
