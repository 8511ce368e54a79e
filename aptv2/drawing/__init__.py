"""Pictures: overlays on frames, and contact sheets of many frames."""

from aptv2.drawing.contact_sheet import contact_sheet
from aptv2.drawing.overlay import draw_overlay, track_colour
from aptv2.drawing.trails import Trails

__all__ = ["Trails", "contact_sheet", "draw_overlay", "track_colour"]
