"""How the shadow of a slanted steel wire varies along it, by rays per pixel: the table of docs/concepts/detector.md.

python scripts/report_wires.py
"""

from deepdrr.validation._wires import Wire, wire_variation

for name, wire, pixel_mm in (("guide wire", Wire(radius_mm=0.18), 0.194), ("K-wire", Wire(radius_mm=0.8), 1.552)):
    for rays in (1, 2, 3, 4):
        print(f"{name}, {rays} × {rays} rays: {100 * wire_variation(wire, pixel_mm, rays):.1f} %")
