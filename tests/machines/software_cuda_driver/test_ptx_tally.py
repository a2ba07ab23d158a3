"""The software driver's counts for a kernel with known instructions."""

import os
import subprocess
import sys
from pathlib import Path

from ptx.tally import KINDS

HERE = Path(__file__).parent

# Ten times around: one addition of floats; once before: a load, a quotient of doubles; after: an atomic addition.
PTX = """.version 7.0
.target sm_75
.address_size 64
.visible .entry counted(.param .u64 memory)
{
    .reg .pred %p<2>; .reg .b32 %r<3>; .reg .f32 %f<4>; .reg .b64 %rd<2>; .reg .f64 %d<3>;
    ld.param.u64 %rd1, [memory];
    ld.global.f32 %f1, [%rd1];
    mov.f64 %d1, 0d3FF0000000000000;
    div.rn.f64 %d2, %d1, %d1;
    mov.u32 %r1, 0;
AGAIN:
    add.f32 %f1, %f1, %f1;
    add.s32 %r1, %r1, 1;
    setp.lt.s32 %p1, %r1, 10;
    @%p1 bra AGAIN;
    atom.global.add.f32 %f2, [%rd1], %f1;
    st.global.f32 [%rd1], %f2;
    ret;
}
"""
PROGRAM = """
import sys
from pathlib import Path
sys.path.insert(0, sys.argv[1])
import numpy as np
from raw_driver import RawDriver
driver = RawDriver(Path(sys.argv[2]))
memory = driver.upload(np.zeros(1, np.float32))
driver.launch(driver.function(driver.load(sys.argv[3]), "counted"), (2,), (32,), [memory])
driver.synchronize()
driver.close()
"""


def test_what_runs_is_counted_by_kind(library: Path, tmp_path: Path) -> None:
    tally, threads = tmp_path / "tally", 64
    told = os.environ | {"SWCUDA_TALLY": str(tally), "SWCUDA_THREADS": "1", "SWCUDA_CACHE": str(tmp_path)}
    subprocess.run([sys.executable, "-c", PROGRAM, str(HERE), str(library), PTX], env=told, check=True)
    name, *counts = tally.read_text().split()
    per_thread = {kind: int(count) / threads for kind, count in zip(KINDS, counts, strict=True)}
    expected = {"threads": 1, "float": 10, "double": 10, "integer": 30, "load": 1, "store": 1, "atomic": 1}
    assert (name, per_thread) == ("counted", expected)
