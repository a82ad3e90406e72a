"""Photos to try Gypsum with, and to test it against: a sculpture whose every measure is known.

``make_sample(Path("sample"))`` writes photos, test views and truth; ``render_view(view)`` draws
one picture with exact depth in memory.
"""

from gypsum.sample._camera import SampleView, hand_held_views, look_at
from gypsum.sample._capture import SampleFacts, make_sample
from gypsum.sample._cards import CARDS, MarkerCard
from gypsum.sample._render import Finish, Rendering, expose, render_view, sculpture_mesh, table_mesh

__all__ = [
    "CARDS",
    "Finish",
    "MarkerCard",
    "Rendering",
    "SampleFacts",
    "SampleView",
    "expose",
    "hand_held_views",
    "look_at",
    "make_sample",
    "render_view",
    "sculpture_mesh",
    "table_mesh",
]
