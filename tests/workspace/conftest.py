"""Makes the toy stages importable, here and in the stages' processes."""

import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parent))
