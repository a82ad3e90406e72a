"""How much a model file may ask for: files come from strangers, and some are made to harm."""

MOST_BYTES = 4 * 2**30
"""Of a file, or of all that is in a package."""

MOST_ELEMENTS = 200_000_000
"""Of any array that a file announces: well above what fits into most machines' memory."""

MOST_TEXELS = 16384**2
"""Of a texture; the largest that graphics cards take."""

MOST_NODES = 100_000
"""Nodes in a scene, or objects in a file; more is no model but a trap."""

DEEPEST = 200
"""Levels of nodes inside of nodes."""
