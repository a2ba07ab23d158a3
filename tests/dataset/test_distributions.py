"""Distributions: their shape, and that a draw depends on its stream alone."""

import numpy as np
import pytest
from scipy import stats

from deepdrr.dataset import Choice, LogUniform, TruncatedNormal, Uniform, distribution_of, stream

DRAWS = 4000


def drawn(given: object) -> list[float]:
    distribution = distribution_of(given)
    return [float(distribution.draw(stream(3, i, "test"))) for i in range(DRAWS)]


@pytest.mark.parametrize(
    ("given", "wanted"),
    [
        ({"uniform": [-2, 6]}, stats.uniform(-2, 8)),
        ({"log_uniform": [0.5, 8]}, stats.loguniform(0.5, 8)),
        ({"normal": {"mean": 80, "sd": 10, "low": 60, "high": 110}}, stats.truncnorm(-2, 3, 80, 10)),
        ({"normal": {"mean": 0, "sd": 1, "low": 4, "high": 5}}, stats.truncnorm(4, 5)),
        ({"normal": {"mean": 0, "sd": 1, "low": -5, "high": -4}}, stats.truncnorm(-5, -4)),
    ],
)
def test_draws_have_the_distribution(given: object, wanted: stats.rv_continuous) -> None:
    """Streams of different samples are independent: their first draws together have the distribution."""
    assert stats.kstest(drawn(given), wanted.cdf).pvalue > 1e-3  # one seed, so no chance of a false alarm later


def test_choices_have_their_weights() -> None:
    found = drawn({"choice": {"values": [1, 2, 5], "weights": [1, 0, 3]}})
    assert set(found) == {1.0, 5.0}
    assert np.mean([value == 5.0 for value in found]) == pytest.approx(0.75, abs=0.03)  # 4 standard deviations: 0.027
    assert set(drawn({"choice": [1, 2]})) == {1.0, 2.0}


def test_a_fixed_value_draws_nothing() -> None:
    generator = stream(0, 0, "test")
    assert distribution_of(80).draw(generator) == 80.0
    assert distribution_of({"fixed": "CMOS"}).draw(generator) == "CMOS"
    assert generator.uniform() == stream(0, 0, "test").uniform()


def test_ends_are_reached_by_no_more_than_rounding() -> None:
    for given in (Uniform(1.0, 1.0), LogUniform(3.0, 3.0), TruncatedNormal(0.0, 1.0, 2.0, 2.0), Choice((2.5,))):
        value = given.draw(stream(0, 0, "test"))
        assert value in given.values


def test_a_stream_depends_on_seed_sample_and_purpose() -> None:
    first = stream(1, 2, "pose").uniform()
    assert first == stream(1, 2, "pose").uniform()
    others = [stream(2, 2, "pose"), stream(1, 3, "pose"), stream(1, 2, "noise")]
    assert len({first, *(other.uniform() for other in others)}) == 4


@pytest.mark.parametrize(
    ("given", "sentence"),
    [
        (True, "a value must be a finite number or a word, got True"),
        (float("nan"), "must be a finite number or a word, got nan"),
        ({"uniform": [1, 2], "fixed": 3}, "must be one name with its values"),
        ({"uniform": ["a", "b"]}, "uniform must be of numbers, got 'a'"),
        ({"normal": {"mean": 0, "sd": 0, "low": 0, "high": 1}}, "a positive sd, got 0.0 and 0.0"),
        ({"normal": {"mean": 0, "sd": 1, "low": 7, "high": 8}}, "must be cut within 6 sd of its mean, got 7 to 8"),
        ({"choice": []}, "choice must have values, got none"),
        ({"choice": {"values": [1], "weights": [1, 2]}}, "a weight per value, got 2 for 1"),
        ({"choice": {"values": [1], "weights": [0]}}, "weights of 0 or more, not all 0"),
        ({"choice": {"values": 3, "weights": [0]}}, "choice must be a list"),
    ],
)
def test_bad_input(given: object, sentence: str) -> None:
    with pytest.raises(ValueError, match=sentence):
        distribution_of(given)
