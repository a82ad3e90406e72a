"""What a capture may hold at most and at least, each with its reason.

Whatever people bring is hostile until it is parsed: a limit is checked before the work that it
bounds.
"""

MiB = 1 << 20
GiB = 1 << 30

PHOTOS_MIN = 3
"""Two photos fix no depth that a third confirms: everything behind the cameras needs three."""

PHOTOS_MAX = 10_000
"""More is a whole picture library given by mistake; it would take weeks."""

FILES_MAX = 200_000
"""Files looked at below the given folders: listing a whole disk must not take minutes."""

SIDE_MIN = 64
"""Pixels of the shorter side: below are icons and thumbnails, with too little for features."""

PIXELS_MAX = 160_000_000
"""Pixels of one photo. The largest cameras make 151 million; every later stage opens the photo
too, and Pillow's own refusal starts at 179 million."""

ASPECT_MAX = 3.0
"""Longer to shorter side. Beyond are stitched panoramas, whose rays don't meet in one point."""

PHOTO_BYTES_MAX = GiB
"""One photo's file: an uncompressed 16-bit TIFF of ``PIXELS_MAX`` pixels has 0.9 GiB."""

PIXELS_AT_ONCE = 50_000_000
"""Pixels decoded at the same time by all threads, about 8 bytes each; a larger photo goes alone."""

ZIP_ENTRIES_MAX = 20_000
"""Files in one zip: twice the photos, for side files."""

ZIP_DIRECTORY_BYTES_MAX = 8 * MiB
"""A zip's table of contents, read into memory whole: 400 bytes for each of its entries."""

ZIP_BYTES_MAX = 64 * GiB
"""All of a zip's files unpacked: ``PHOTOS_MAX`` phone photos."""

ZIP_RATIO_MAX = 50.0
"""Unpacked to packed size of a whole zip. Photos hardly shrink and TIFF shrinks a few times;
DEFLATE reaches 1032 with a bomb."""

ZIP_RATIO_FREE_BYTES = 64 * MiB
"""Zips that unpack to less may have any ratio: small drawings and scans do shrink a lot."""
