"""Terrain: the bare ground, and maps of it."""
