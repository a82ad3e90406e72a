"""FBX: binary, Y up, centimetres, textures embedded.

Autodesk publishes no specification; https://code.blender.org/2013/08/fbx-binary-file-format-specification/
describes the file, and the SDK's documentation the objects in it.
"""

from gypsum.formats.fbx.read import read
from gypsum.formats.fbx.write import fbx

__all__ = ["fbx", "read"]
