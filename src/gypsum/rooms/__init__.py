"""Rooms: their planes, and plans of them. For clouds and meshes of any scan, Z up, in metres."""

from gypsum.rooms.drawing import encode_dxf, encode_svg
from gypsum.rooms.flattening import flattened, sharpened
from gypsum.rooms.outline import Plan, Room, find_rooms
from gypsum.rooms.planes import Plane, Planes, find_planes

__all__ = [
    "Plan",
    "Plane",
    "Planes",
    "Room",
    "encode_dxf",
    "encode_svg",
    "find_planes",
    "find_rooms",
    "flattened",
    "sharpened",
]
