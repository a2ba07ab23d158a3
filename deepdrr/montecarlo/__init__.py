"""Transport of photons through a body: scatter in the picture, and dose in the patient."""

from deepdrr.montecarlo._beam import PhotonBeam, beam_of, even_beam
from deepdrr.montecarlo._body import PhotonBody
from deepdrr.montecarlo._model import MonteCarlo
from deepdrr.montecarlo._panel import Panel, panel_of
from deepdrr.montecarlo._smooth import smoothed
from deepdrr.montecarlo._tables import PhotonTables, photon_tables
from deepdrr.montecarlo._tally import KINDS, PhotonTally
from deepdrr.montecarlo._transport import Run, transport
from deepdrr.montecarlo._voxels import body_of

__all__ = [
    "KINDS",
    "MonteCarlo",
    "Panel",
    "PhotonBeam",
    "PhotonBody",
    "PhotonTables",
    "PhotonTally",
    "Run",
    "beam_of",
    "body_of",
    "even_beam",
    "panel_of",
    "photon_tables",
    "smoothed",
    "transport",
]
