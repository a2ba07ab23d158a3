"""A registration's result in numbers for files, and what was compared in words for people."""

import math
from collections.abc import Sequence
from typing import Any

from deepdrr.registration._result import RegistrationResult

__all__ = ["in_words", "summary_of"]

_LEFT_OUT = {
    "border": "outside the exposed field",
    "marks": "marks over the picture",
    "mask": "left out by the mask",
}


def summary_of(result: RegistrationResult) -> dict[str, Any]:
    """Numbers that JSON has words for: None in the place of NaN and infinity.

    Args:
        result: of `register`.

    Returns:
        loss, iterations, stopped, seconds; agreement (per view), trusted and hint; left_out (view from 0, what and
        share) and is_reversed (per view); shift_mm; certainty (standard deviations in mm and degrees).
    """
    certainty = result.certainty
    return {
        "loss": _finite(result.loss),
        "iterations": result.iterations,
        "stopped": list(result.stopped),
        "seconds": round(result.seconds, 3),
        "agreement": [_finite(one) for one in result.quality.agreement],
        "trusted": result.quality.is_good,
        "hint": result.quality.hint,
        "left_out": [{"view": p.view, "what": p.what, "share": round(p.share, 4)} for p in result.left_out],
        "is_reversed": list(result.target.is_reversed),
        "shift_mm": dict(zip(("across_the_beam", "along_the_beam"), map(_finite, result.shift_mm), strict=True)),
        "certainty": {
            "in_plane_mm": _finite(certainty.in_plane_mm),
            "depth_mm": _finite(certainty.depth_mm),
            "in_plane_deg": _finite(certainty.in_plane_deg),
            "out_of_plane_deg": _finite(certainty.out_of_plane_deg),
        },
    }


def in_words(result: RegistrationResult, names: Sequence[str]) -> list[str]:
    """What was left out of X-rays and which were reversed, a sentence for each.

    Args:
        result: of `register`.
        names: of the X-rays.
    """
    parts = [
        f"{names[part.view]}: {100 * part.share:.1f} % not compared, {_LEFT_OUT[part.what]}" for part in result.left_out
    ]
    views = [name for name, is_reversed in zip(names, result.target.is_reversed, strict=True) if is_reversed]
    return parts + [f"{name}: grey reversed" for name in views]


def _finite(number: float) -> float | None:
    return number if math.isfinite(number) else None
