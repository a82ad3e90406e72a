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

ASPECT_MAX = 2.6
"""Longer to shorter side. Films in CinemaScope have 2.4; beyond are stitched panoramas, whose rays
don't meet in one point."""

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

CLIP_BYTES_MAX = 64 * GiB
"""One clip's file: an hour of a phone's 4K has 24 GiB."""

LIVE_BYTES_MAX = 16 * MiB
"""The clip of a Live Photo: three seconds have 3 to 8 MB. A larger one was filmed on purpose."""

FRAMES_MAX = 500_000
"""Frames looked at in one clip: two hours at 60 a second."""

FRAME_RATE_MAX = 30.0
"""Frames a second that are looked at, about: of clips with 60 and more, every second or n-th."""

FRAMES_PER_SECOND = 3.0
FRAMES_LEAST, FRAMES_MOST = 60, 150
"""Frames taken when nothing else is asked for: what a walk around an object needs, and what is
matched in good time. A clip that shows less has fewer."""

WORKER_MEMORY = 4 * GiB
"""Bytes that one decoding process may hold: the largest photo in floating point, or the frames
that an 8K stream refers to."""

WORKER_SECONDS = 8.0
"""Processor time for one photo of up to 40 megapixels, or between two frames of a clip, on each
thread. Decoders need tenths of it; a damaged file may keep them busy for ever."""

WORKER_SECONDS_PER_PIXEL = 0.2e-6
"""For larger photos: five megapixels a second are fewer than any decoder's."""

WORKER_SILENCE = 60.0
"""Seconds by the clock after which a process that says nothing is given up, if it did not come to
the end of its processor time: the disk it reads from may have stopped answering."""

WORKERS_MOST = 16
"""Decoding processes, 60 MB each before they decode anything."""

WORKER_LINE_MAX = MiB
"""Bytes of one answer of a decoding process; a healthy one's have 10,000."""

CLIP_LENGTH_MIN = 15
"""Frames below which a clip counts as short: half a second."""

CLIP_FRAMES_MIN = 3
"""Chosen frames below which a clip shows no depth."""
