from __future__ import annotations

import numpy as np
import pytest
from scipy.optimize import minimize_scalar
from sklearn.calibration import calibration_curve
from sklearn.metrics import log_loss

from tresnet_tasks.metrics.calibration import (
    fit_temperature,
    reliability,
    reliability_table,
    scaled_scores,
)


def sigmoid(x: np.ndarray) -> np.ndarray:
    return 1 / (1 + np.exp(-x))


def data(temperature: float = 1.0) -> tuple[np.ndarray, np.ndarray]:
    """Scores that are calibrated once their logits are divided by ``temperature``."""
    generator = np.random.default_rng(0)
    logits = generator.normal(-1, 2, 20000)
    positive = generator.random(20000) < sigmoid(logits)
    return sigmoid(temperature * logits).astype(np.float32), positive


def test_the_bins_are_those_of_scikit_learn() -> None:
    scores, positive = data(2.0)
    found = reliability(scores, positive, bins=7)
    share, mean = calibration_curve(positive, scores, n_bins=7)
    filled = found.counts > 0
    assert np.allclose(found.share[filled], share, atol=1e-9)
    assert np.allclose(found.score[filled], mean, atol=1e-6)
    assert found.counts.sum() == len(scores)


def test_the_error_is_small_where_scores_are_probabilities() -> None:
    assert reliability(*data()).error < 0.02 < 0.05 < reliability(*data(3.0)).error


def test_the_error_is_the_formula_worked_by_hand() -> None:
    found = reliability(np.array([0.1, 0.2, 0.9]), np.array([False, True, True]), bins=2)
    assert found.error == pytest.approx((2 * abs(0.15 - 0.5) + abs(0.9 - 1)) / 3)


@pytest.mark.parametrize("temperature", [0.4, 1.0, 3.0])
def test_the_temperature_is_found_again(temperature: float) -> None:
    assert fit_temperature(*data(temperature)) == pytest.approx(temperature, rel=0.05)


def test_no_other_temperature_has_a_lower_cross_entropy() -> None:
    scores, positive = data(2.5)
    logits = np.log(scores.astype(float) / (1 - scores.astype(float)))
    best = minimize_scalar(
        lambda t: log_loss(positive, sigmoid(logits / t)), bounds=(0.1, 10), method="bounded"
    )
    assert fit_temperature(scores, positive) == pytest.approx(best.x, rel=1e-3)


def test_scores_of_0_and_1_are_taken() -> None:
    scores = np.array([0, 1, 1, 0], np.float32)
    for positive in (
        [False, True, False, False],
        [False, True, True, False],
        [True, False, False, True],
    ):
        assert 0.05 <= fit_temperature(scores, np.array(positive)) <= 20


def test_scaling_changes_no_ranking_and_leaves_one_half() -> None:
    scores = np.array([0.01, 0.3, 0.5, 0.9], np.float32)
    scaled = scaled_scores(scores, 2.0)
    assert np.all(np.diff(scaled) > 0)
    assert scaled[2] == pytest.approx(0.5)
    assert scaled[3] == pytest.approx(0.75)  # odds 9 become 3


def test_the_table_has_a_line_a_bin() -> None:
    table = reliability_table(reliability(np.array([0.1, 0.9]), np.array([False, True]), bins=2))
    assert "error 10.00 %" in table
    assert len([line for line in table.splitlines() if " to " in line]) == 2


def test_less_than_one_bin_is_refused() -> None:
    with pytest.raises(ValueError, match="bins=0"):
        reliability(np.array([0.5]), np.array([True]), bins=0)
