"""The plan of the tests: 12 samples of two small patients in 4 shards."""

PLAN = """\
name: rods
count: 12
seed: 7
patients:
  short: {ct: short.nii.gz, labels: short_labels.nii.gz, label_names: {1: rod, 2: nail}, landmarks: short.json,
          label_materials: {2: stainless steel}}
  tall: {ct: tall.nii.gz, labels: tall_labels.nii.gz, label_names: {1: rod, 2: nail}, landmarks: tall.json, split: val}
carm: {binning: 48}
pose:
  angles: {alpha_deg: {uniform: [-40, 40]}, beta_deg: {uniform: [-20, 20]}}
  target: {landmark: tip, ball_mm: 10}
technique: {kvp: {uniform: [60, 100]}, mas: {log_uniform: [0.5, 5]}}
shard_mb: 0.0125
"""
