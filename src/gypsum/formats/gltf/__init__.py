"""glTF 2.0 and its binary form GLB: Y up, metres, rough dielectric materials.

https://registry.khronos.org/glTF/specs/2.0/glTF-2.0.html
"""

from gypsum.formats.gltf.read import read
from gypsum.formats.gltf.write import glb, gltf

__all__ = ["glb", "gltf", "read"]
