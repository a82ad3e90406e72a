# SPDX-License-Identifier: GPL-3.0-or-later
"""What several tests need."""

import os

GYPSUM_PYTHON = os.environ.get("GYPSUM_PYTHON", "")
"""A Python in which Gypsum is installed; empty where there is none."""
