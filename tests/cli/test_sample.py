"""`deepdrr sample`: lists, finds the bundled CT, and says what to do without a network."""

from pathlib import Path

import pytest


def test_without_a_name_they_are_listed(run) -> None:
    code, out, _ = run("sample")
    assert code == 0
    for phrase in ("pelvis", "bundled", "chest", "35 MB to download", "CC BY 3.0"):
        assert phrase in out


def test_the_bundled_one_is_there(run) -> None:
    code, out, _ = run("sample", "pelvis")
    assert code == 0
    assert Path(out.split(maxsplit=1)[1].strip()).stat().st_size < 10_000_000  # what the repository may hold


@pytest.mark.parametrize(
    ("error", "phrase"),
    [(ValueError("there is no sample 'spleen'"), "spleen"), (ConnectionError("cannot download it"), "download")],
)
def test_failures_are_sentences(run, monkeypatch, error, phrase) -> None:
    def fail(name: str) -> None:
        raise error

    monkeypatch.setattr("deepdrr.cli._sample.fetch_sample", fail)
    code, out, said = run("sample", "spleen")
    assert (code, out) == (2, "")
    assert phrase in said
    assert said.count("\n") == 1
