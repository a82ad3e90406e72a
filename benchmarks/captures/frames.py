"""What choosing frames of a clip costs, against decoding it and nothing else.

    python benchmarks/captures/frames.py CLIP... [--frames N] [--threads N]

``gypsum sample DIR --video 30`` makes a clip. Times are CPU seconds of all threads for each second
of the clip; below 1, one core is faster than real time.
"""

from __future__ import annotations

import argparse
import tempfile
import time
from pathlib import Path

from gypsum.capture.clips import opened_clip
from gypsum.capture.prepare_clips import prepare_frames


def decoding(clip: Path, threads: int) -> tuple[float, float, str]:
    """CPU seconds of decoding, the clip's length in seconds, its size in words."""
    began = time.process_time()
    with opened_clip(clip, threads) as opened:
        for _ in opened.frames:
            pass
    size = f"{opened.width} x {opened.height}"
    return time.process_time() - began, opened.seconds, size


def choosing(clip: Path, most: int, threads: int) -> tuple[float, float, int]:
    """CPU and wall seconds of choosing, and how many frames were taken."""
    with tempfile.TemporaryDirectory() as folder:
        began, clock = time.process_time(), time.monotonic()
        taken = prepare_frames(clip, Path(folder) / "frames", most, threads, lambda _: None)
        return time.process_time() - began, time.monotonic() - clock, len(taken.chosen)


def main() -> None:
    """Print a line for each clip."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("clips", nargs="+", type=Path)
    parser.add_argument("--frames", type=int, default=90)
    parser.add_argument("--threads", type=int, default=2)
    asked = parser.parse_args()
    print(f"{'clip':24} {'size':>12} {'decode':>8} {'choose':>8} {'ratio':>6} {'wall':>6} frames")
    for clip in asked.clips:
        plain, seconds, size = decoding(clip, asked.threads)
        cpu, wall, count = choosing(clip, asked.frames, asked.threads)
        shares = (plain / seconds, cpu / seconds, cpu / plain, wall / seconds)
        text = " ".join(f"{x:{w}.2f}" for x, w in zip(shares, (8, 8, 6, 6), strict=True))
        print(f"{clip.name:24} {size:>12} {text} {count:6}")


if __name__ == "__main__":
    main()
