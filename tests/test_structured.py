"""JSON and YAML files: plain fields and values, or one sentence with the file and the line."""

from pathlib import Path

import pytest

from deepdrr._structured import read_fields


@pytest.mark.parametrize(
    ("text", "fields"),
    [
        ("# nothing", {}),
        ("a: [1, -2.5e-3, .5]\nb: {copper: 0.1}", {"a": [1, -0.0025, 0.5], "b": {"copper": 0.1}}),
        ("c: no\nd: 'no'\ne:", {"c": False, "d": "no", "e": None}),
        ("a: 010\nb: 1:30\nc: 2020-01-01\nd: 0x10", {"a": 10, "b": "1:30", "c": "2020-01-01", "d": "0x10"}),
        ('{"a": 1e-05, "b": [true, null, "x"]}', {"a": 1e-5, "b": [True, None, "x"]}),
        ("{a: 1}  # flow", {"a": 1}),
        ("\ufeffa: 1", {"a": 1}),
        ("a: 1" + "0" * 400, {"a": float("inf")}),
    ],
)
def test_plain_values(text: str, fields: dict[str, object], tmp_path: Path) -> None:
    (tmp_path / "a.yaml").write_text(text, encoding="utf-8")
    assert read_fields(tmp_path / "a.yaml") == fields


@pytest.mark.parametrize(
    ("name", "content", "sentence"),
    [
        ("a.yaml", b"a: &x [1]\nb: *x", "line 1 of .* got an alias"),
        ("a.yaml", b"a: 1\nb: !!python/object:os.system x", "line 2 of .* got a value with the tag"),
        ("a.yaml", b"a: !!float abc", "line 1 of .* got a value with the tag"),
        ("a.yaml", b"? [1, 2]\n: 3", "a field without a name"),
        ("a.yaml", b"a: 1\nb: 2\na: 3", "must name each field once, .* names 'a' twice"),
        ("a.yaml", b"b: {a: 1, a: 2}", "names 'a' twice"),
        ("a.yaml", b"a: 1\nb: [1, 2", "must be JSON or YAML, line 2"),
        ("a.yaml", b"a: " + b"[" * 3000, "nests them too deeply"),
        ("a.yaml", b"a: " + b"[1, " * 20000, "at most 65536 characters"),
        ("a.yaml", b"a: \x01", "characters that neither knows"),
        ("a.yaml", b"a: 1\nb: \xff", "must be UTF-8 text, but byte 8 in line 2"),
        ("a.yaml", b"- 1", "holds a list"),
        ("a.json", b'{"a": 1,\n "b": }', "must be JSON, line 2"),
        ("a.json", b'{"a": 1', "it ends too early"),
        ("a.json", b'{"a": ' + b"[" * 100_000, "nests them too deeply"),
        ("a.json", b'{"a": 1, "a": 2}', "names 'a' twice"),
        ("a.json", b"", "is empty"),
    ],
)
def test_what_is_refused(name: str, content: bytes, sentence: str, tmp_path: Path) -> None:
    (tmp_path / name).write_bytes(content)
    with pytest.raises(ValueError, match=sentence) as caught:
        read_fields(tmp_path / name, "init")
    assert str(tmp_path / name) in str(caught.value)
    assert len(str(caught.value)) < 400
