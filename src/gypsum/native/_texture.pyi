"""Kernels of the texture stage; shapes are explained in native/texture/texture.hpp."""

import numpy as np
from numpy.typing import NDArray

Bool = NDArray[np.bool_]
Float32 = NDArray[np.float32]
Float64 = NDArray[np.float64]
Int16 = NDArray[np.int16]
Int32 = NDArray[np.int32]
Int64 = NDArray[np.int64]
UInt8 = NDArray[np.uint8]

ONE: int
WEAK: float

def draw_depth(
    pixels: Float32, depth: Float32, faces: Int32, width: int, height: int, threads: int
) -> Float32: ...
def score_faces(
    photo: UInt8,
    surface: Float32,
    pixels: Float32,
    depth: Float32,
    faces: Int32,
    cosines: Float32,
    usable: UInt8 | None,
    slack: float,
    rim: int,
    threads: int,
) -> tuple[Float32, Float32, Bool]: ...
def find_outliers(
    first: Int64, views: Int32, colors: Float32, edges: Int32, threads: int
) -> tuple[Bool, Float32]: ...
def label_faces(
    first: Int64,
    labels: Int32,
    costs: Float32,
    edges: Int32,
    weights: Float32,
    order: Int32,
    iterations: int,
) -> tuple[Int32, float, float]: ...
def merge_patches(
    first: Int64,
    labels: Int32,
    costs: Float32,
    edges: Int32,
    weights: Float32,
    patch_cost: float,
    chosen: Int32,
) -> int: ...
def pack_charts(
    corners: Float32, first: Int64, size: int, pages: int, cell: int, padding: int
) -> Int32 | None: ...
def draw_owners(
    uvs: Float32,
    uv_faces: Int32,
    order: Int32,
    first: Int64,
    border: Bool,
    width: int,
    height: int,
    padding: int,
    threads: int,
) -> Int32: ...
def paint_charts(
    uvs: Float32,
    uv_faces: Int32,
    order: Int32,
    first: Int64,
    chosen: Int64,
    owners: Int32,
    faces: Int32,
    camera_points: Float32,
    intrinsics: tuple[float, float, float, float],
    photo: UInt8,
    curves: Float32,
    weights: Float32 | None,
    offsets: Float32 | None,
    samples: int,
    padding: int,
    atlas: Int16,
    threads: int,
) -> None: ...
def add_colors(
    uvs: Float32, uv_faces: Int32, owners: Int32, colors: Float32, atlas: Int16, threads: int
) -> None: ...
def sample_atlas(atlas: Int16, positions: Float32, threads: int) -> Float32: ...
def finish_page(atlas: Int16, owners: Int32, threads: int) -> UInt8: ...
def measure_seams(atlas: Int16, seams: Float32, threads: int) -> Float32: ...
def seam_contrasts(atlas: Int16, seams: Float32, threads: int) -> Float32: ...
def level_seams(
    seams: Float32,
    owners: Int32,
    chart_of_face: Int32,
    reach: int,
    iterations: int,
    atlas: Int16,
    threads: int,
) -> None: ...
def bake_normals(
    uvs: Float32,
    uv_faces: Int32,
    order: Int32,
    first: Int64,
    owners: Int32,
    faces: Int32,
    vertices: Float32,
    normals: Float32,
    tangents: Float32,
    signs: Float32,
    fine_vertices: Float32,
    fine_faces: Int32,
    fine_normals: Float32,
    reach: float,
    threads: int,
) -> UInt8: ...
def ambient_occlusion(
    vertices: Float32, faces: Int32, normals: Float32, rays: int, lift: float, threads: int
) -> Float32: ...
def scale_light(
    uvs: Float32,
    uv_faces: Int32,
    order: Int32,
    first: Int64,
    owners: Int32,
    factors: Float32,
    atlas: Int16,
    threads: int,
) -> None: ...
def solve_spd(
    first: Int64,
    columns: Int32,
    values: Float64,
    rhs: Float64,
    iterations: int,
    tolerance: float,
    x: Float64,
    threads: int,
) -> float: ...
