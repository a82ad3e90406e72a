"""Nanoseconds of a sample of a fitted surface, on every code path of this processor.

``python benchmarks/implicit.py [--json FILE] [--device cuda]``: a ball on a grid of 208 nodes seen
by 40 cameras of 640x480 from around. A step's rays, derivative included; the reference is the
portable path in the same run. CPU time of one thread. With a device, also how long whole steps
take there (smoothness and Adam included), and on all cores of the processor.
"""

from __future__ import annotations

import argparse
import json
import os
import platform
import time
from dataclasses import replace
from pathlib import Path

import numpy as np

from gypsum.implicit import Field, ImplicitSettings, Observation
from gypsum.implicit.engine import Optics, State, Turn, engine_for
from gypsum.implicit.grid import NODES, TRUNCATION, Frame, around_surface
from gypsum.implicit.rays import Rays, gather
from gypsum.native import _sdf
from gypsum.scene import Box

RADIUS, CAMERAS, RAYS, ROUNDS = 0.8, 40, 80_000, 3
#: Sharpness and step of the density at the beginning, middle and end of a level.
OPTICS = ((0.8, 1.25), (1.3, 0.8), (2.0, 0.7))


def ball(nodes: int) -> Field:
    """A ball of random colours."""
    frame = Frame(Box.between([-1, -1, -1], [1, 1, 1]), 2 / nodes)
    away = np.linalg.norm(frame.to_world(frame.block_centers()), axis=1) - RADIUS
    at = (away / frame.voxel).reshape(frame.blocks)
    grid = around_surface(frame, np.abs(at) < 4, at < 0)
    distance = (np.linalg.norm(frame.to_world(grid.nodes()), axis=1) - RADIUS) / frame.voxel
    color = np.random.default_rng(0).random((grid.rows, _sdf.CHANNELS), np.float32)
    clipped = distance.clip(-TRUNCATION, TRUNCATION).astype(np.float32)
    return Field(grid, clipped, color, 1.0, np.zeros(grid.rows, np.float32))


def photos() -> list[Observation]:
    """Grey pictures from around."""
    found = []
    for number in range(CAMERAS):
        turn = 2 * np.pi * number / CAMERAS
        forward = np.array([-np.cos(turn), -np.sin(turn), 0])
        right = np.array([-np.sin(turn), np.cos(turn), 0])
        R = np.stack([right, np.cross(forward, right), forward])
        K = np.array([[700.0, 0, 320], [0, 700, 240], [0, 0, 1]])
        y, x = np.indices((480, 640)) + 0.5
        mask = np.hypot(x - 320, y - 240) < 150
        image = np.full((480, 640, 3), 128, np.uint8)
        found.append(Observation(image, mask.astype(np.float32), K, R, np.array([0, 0, 4.0])))
    return found


def rays_of(field: Field) -> Rays:
    """Those of the photos that meet the ball."""
    frame = field.grid.frame
    points = frame.to_world(field.grid.nodes()[np.abs(field.distance) < 1])
    return gather(photos(), 1.0, RAYS, points, frame)


def measure(field: Field, rays: Rays, portable: bool) -> list[dict[str, float]]:
    """Samples of a ray, and nanoseconds of a sample, for each of the optics."""
    scene = _sdf.Scene(
        field.grid.table, field.distance, field.color, TRUNCATION,
        rays.cameras, rays.camera, rays.pixel, rays.target, rays.trust, None,
        1, portable,
    )  # fmt: skip
    by_distance = np.zeros((1, field.grid.rows), np.float32)
    by_color = np.zeros((1, field.grid.rows, _sdf.CHANNELS), np.float32)
    seen = np.zeros((1, field.grid.rows // NODES), np.uint8)
    chosen = rays.batches[0]
    rows = []
    for sharpness, step in OPTICS:
        optics = np.array([sharpness, step, 0.02, 0.15, 1, 1, 0], np.float32)
        best, samples = np.inf, 0
        for _ in range(ROUNDS):
            begin = time.process_time()
            *_, samples = scene.descend(optics, 0.3, chosen, by_distance, by_color, seen)
            best = min(best, time.process_time() - begin)
        rows.append({
            "sharpness": sharpness, "rays": len(chosen), "samples per ray": samples / len(chosen),
            "ns per sample": best / samples * 1e9, "ms": best * 1e3,
        })  # fmt: skip
    return rows


def milliseconds(field: Field, rays: Rays, device: str) -> float:
    """Of a step, when the first has compiled and filled what has to be."""
    state = State.begin(replace(field, distance=field.distance.copy(), color=field.color.copy()))
    engine = engine_for(device, state, rays, ImplicitSettings(), os.cpu_count() or 1)
    optics = Optics(1.3, 0.8, 0.02, 0.15, 1.0, 1.0, 0.0, 0.3)
    begin = 0.0
    for number in range(1 + ROUNDS):
        engine.step(Turn(number, 0, optics, 1.0, 0.01))
        if number == 0:
            engine.fetch()
            begin = time.perf_counter()
    engine.fetch()
    return (time.perf_counter() - begin) / ROUNDS * 1e3


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--json", type=Path, help="write all figures here")
    parser.add_argument("--device", help="a device of Warp's: cuda, cuda:1, warp-cpu")
    options = parser.parse_args()
    field = ball(208)
    rays = rays_of(field)
    found = {name: measure(field, rays, name == "portable") for name in ("native", "portable")}
    print(f"{len(field.grid.places):,} blocks; {platform.processor() or platform.machine()}")
    for first, second in zip(found["native"], found["portable"], strict=True):
        print(
            f"sharpness {first['sharpness']}: {first['samples per ray']:.1f} samples a ray, "
            f"{first['ns per sample']:.0f} ns a sample, {first['ms']:.0f} ms for {first['rays']:,} "
            f"rays; portable {second['ns per sample']:.0f} ns"
        )
    for device in (options.device, "cpu") if options.device else ():
        print(
            f"whole steps of {len(rays.batches[0]):,} rays on {device}: "
            f"{milliseconds(field, rays, device):.1f} ms each"
        )
    if options.json:
        options.json.write_text(json.dumps(found, indent=2))


if __name__ == "__main__":
    main()
