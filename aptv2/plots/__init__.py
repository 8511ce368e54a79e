"""Pictures: overlays on frames, and contact sheets of many frames."""

from aptv2.plots.overlay import draw_overlay, track_colour
from aptv2.plots.sheet import contact_sheet
from aptv2.plots.trails import Trails

__all__ = ["Trails", "contact_sheet", "draw_overlay", "track_colour"]
