"""Rooms: their planes, and plans of them."""
