"""Plans: what is read, and what is refused with file, line and field."""

import json
from pathlib import Path

import jsonschema
import pytest
import yaml

from deepdrr.dataset import Plan, plan_schema, read_plan

WHOLE = """\
name: pelvis
count: 12
seed: 5
patients:
  a:
    ct: ct.nii.gz
    split: val
    labels: labels.nii.gz
    label_names: {1: femur}
    label_materials: {2: titanium}
    landmarks: points.mrk.json
  b: {ct: other.nii.gz}
materials: three_class
beyond: repeat
carm: {geometry: mobile, binning: 16, sid_mm: 600}
pose:
  cone: {about: AP, half_angle_deg: 30, gamma_deg: {uniform: [-5, 5]}}
  target: {landmark: tip, ball_mm: 20}
  in_view: [tip]
  attempts: 7
technique:
  kvp: {normal: {mean: 80, sd: 10, low: 60, high: 110}}
  mas: {log_uniform: [0.5, 8]}
  panel: CMOS
  noise: yes
results:
  image: {values: picture, processing: radiograph, bits: 8}
  masks: true
  structures: [femur]
writer: folder
shard_mb: 10
"""


def read(tmp_path: Path, text: str) -> Plan:
    file = tmp_path / "plan.yaml"
    file.write_text(text)
    return read_plan(file)


def test_a_whole_plan(tmp_path: Path) -> None:
    plan = read(tmp_path, WHOLE)
    assert plan.patients["a"].ct == tmp_path / "ct.nii.gz"
    assert plan.patients["a"].label_names == {1: "femur"}
    assert plan.patients["b"].split == "train"
    assert plan.carm.made().height == 96
    assert plan.pose.cone is not None
    assert plan.technique.mas.values == (0.5, 8.0)
    assert (plan.results.structures, plan.results.image.bits) == (("femur",), 8)


def test_the_least_plan_says_what_and_of_whom(tmp_path: Path) -> None:
    plan = read(tmp_path, "name: a\ncount: 1\npatients: {p: {ct: ct.nii.gz}}\n")
    assert (plan.seed, plan.writer, plan.technique.kvp.values) == (0, "webdataset", (80.0,))


@pytest.mark.parametrize(
    ("old", "new", "sentence"),
    [
        ("seed: 5", "sed: 5", "line 3, sed: unknown field 'sed'; did you mean 'seed'"),
        ("binning: 16", "binnig: 16", "line 15, carm.binnig: unknown field 'binnig'; did you mean 'binning'"),
        ("name: pelvis\n", "", "line 1, name: must be given, it is missing"),
        ("ct: ct.nii.gz\n    split", "split", "line 5, patients.a.ct: must be given, it is missing"),
        ("count: 12", "count: 12.5", "line 2, count: must be a whole number, got 12.5"),
        ("count: 12", "count: many", "line 2, count: must be a whole number, got 'many'"),
        ("count: 12", "count: yes", "line 2, count: must be a whole number, got True"),
        ("count: 12", "count: 0", "line 1: count must be 1 or more, got 0"),
        ("split: val", "split: vall", "line 7, patients.a.split: unknown word 'vall'; did you mean 'val'"),
        ("binning: 16", "binning: 17", "line 15, carm: factor must"),
        ("geometry: mobile", "geometry: mobil", "line 15, carm: unknown geometry 'mobil'; did you mean 'mobile'"),
        ("about: AP", "about: APP", "line 17, pose.cone: unknown view 'APP'"),
        (
            "cone:",
            "views: {names: [PA]}\n  cone:",
            "line 16, pose: pose must be angles, cone, views or list,",
        ),
        ("uniform: [-5, 5]", "uniform: [5, -5]", "pose.cone.gamma_deg: uniform must go from a finite number"),
        ("uniform: [-5, 5]", "unifrom: [-5, 5]", "unknown distribution 'unifrom'; did you mean 'uniform'"),
        ("uniform: [-5, 5]", "uniform: [-5]", r"uniform must be two numbers, \[low, high\], got \[-5\]"),
        ("uniform: [-5, 5]", "choice: [a, b]", "gamma_deg must be -360 to 360, got 'a'"),
        ("low: 60,", "", "line 22, technique.kvp: normal must have mean, sd, low, high, got"),
        ("high: 110", "high: 300", "line 21, technique: kvp must be 40 to 150, got 300.0"),
        ("[0.5, 8]", "[0, 8]", "log_uniform must lie between positive numbers, got 0 to 8"),
        ("panel: CMOS", "panel: film", "line 21, technique: unknown panel 'film'"),
        ("noise: yes", "noise: maybe", "line 25, technique.noise: must be true or false, got 'maybe'"),
        ("in_view: [tip]", "in_view: tip", "line 19, pose.in_view: must be a list, got 'tip'"),
        ("processing: radiograph", "processing: radio", "unknown processing 'radio'; did you mean 'radiograph'"),
        ("bits: 8", "bits: 12", "results.image.bits: unknown word 12; did you mean '16'"),
        ("{landmark: tip,", "{landmark: tip, structure: femur,", "target must be a landmark or a structure, got"),
        ("label_names: {1: femur}", "label_names: {one: femur}", "line 9, patients.a.label_names: must be a whole"),
        ("label_names: {1: femur}", "label_names: [femur]", "must hold names and their values, got"),
        ("carm: {geometry: mobile, binning: 16, sid_mm: 600}", "carm: 3", "line 15, carm: must hold fields and"),
    ],
)
def test_what_is_wrong_is_told_with_its_place(old: str, new: str, sentence: str, tmp_path: Path) -> None:
    assert old in WHOLE
    with pytest.raises(ValueError, match=sentence) as caught:
        read(tmp_path, WHOLE.replace(old, new))
    assert str(caught.value).startswith(f"'{tmp_path}/plan.yaml', line ")


class TestShards:
    """Which samples are in which shard, of which patient."""

    def test_every_sample_is_in_one_shard_and_a_shard_is_of_one_patient(self, tmp_path: Path) -> None:
        plan = read(tmp_path, WHOLE.replace("count: 12", "count: 301").replace("shard_mb: 10", "shard_mb: 1"))
        assert plan.samples_per_shard == 27  # of 96² pixels of 2 bytes, with masks of 2 bytes
        numbers = [i for shard in range(plan.shards) for i in plan.samples_of(shard)]
        assert numbers == list(range(301))
        owners = [{plan.patient_of(i) for i in plan.samples_of(shard)} for shard in range(plan.shards)]
        assert owners == [{"ab"[n % 2]} for n in range(plan.shards)]

    def test_a_small_set_has_all_patients(self, tmp_path: Path) -> None:
        plan = read(tmp_path, WHOLE)
        assert {plan.patient_of(i) for i in range(12)} == {"a", "b"}


class TestSchema:
    """The JSON Schema, by a validator."""

    def test_it_takes_the_plan_and_refuses_what_read_plan_refuses(self) -> None:
        schema = json.loads(json.dumps(plan_schema()))
        jsonschema.Draft202012Validator.check_schema(schema)
        validator = jsonschema.Draft202012Validator(schema)
        plain = json.loads(json.dumps(yaml.safe_load(WHOLE)))  # keys of mappings are text in JSON
        validator.validate(plain)
        for changed in ({"sed": 3}, {"count": "many"}, {"technique": {"kvp": {"unifrom": [1, 2]}}}, {"writer": "zip"}):
            assert not validator.is_valid({**plain, **changed})
        assert not validator.is_valid({key: value for key, value in plain.items() if key != "name"})

    def test_every_field_says_what_it_is(self) -> None:
        def silent(schema: dict[str, object], where: str) -> list[str]:
            found = []
            properties = schema.get("properties", {})
            assert isinstance(properties, dict)
            for name, value in properties.items():
                if "description" not in value:
                    found.append(f"{where}.{name}")
                for part in (value, *value.get("anyOf", [])):
                    if part.get("additionalProperties") is False and "required" in part and "description" in part:
                        found += silent(part, f"{where}.{name}")
            return found

        assert silent(plan_schema(), "plan") == []
