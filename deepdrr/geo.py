"""`deepdrr.geometry` under the name that users of DeepDRR know: `from deepdrr import geo`.

Example:
    >>> from deepdrr import geo
    >>> geo.point(0, 0, 10) + geo.vector(1, 0, 0)
    tensor([ 1.,  0., 10.], dtype=torch.float64)
"""

from deepdrr.geometry import *  # noqa: F403
from deepdrr.geometry import __all__ as __all__
