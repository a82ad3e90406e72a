"""Radiance fields of 3D Gaussians: one module per format, ``files`` names them all."""
