"""The kernels of ``native/splats`` once more, in Warp, for graphics cards.

Warp (NVIDIA, Apache-2.0) makes code for a card, or for one core of the processor, out of the
functions below, and derives the way back of those that are not marked otherwise. Each does what
its twin of the same name in ``native/splats`` does; formulae and their sources are written there.
Pictures are (height, width) of vectors; the centre of the top-left pixel is (0.5, 0.5).
"""

# Warp reads the annotations, as types of its own that mypy doesn't know.
# mypy: ignore-errors

import warp as wp

#: Side of a tile, pixels: as many threads as a block of a card has.
TILE = 16
PIXELS = wp.constant(TILE * TILE)
_TILE = wp.constant(TILE)

_OPAQUE = wp.constant(0.99)
_BESIDE = wp.constant(0.3)
_THINNEST = wp.constant(2.5e-5)
_GRAZING = wp.constant(0.1)
_STEP = wp.constant(0.05)
_SHOWN = wp.constant(0.5)
_RADIUS = wp.constant(5)
_C1 = wp.constant(0.01**2)
_C2 = wp.constant(0.03**2)

vec11 = wp.types.vector(length=11, dtype=float)


@wp.struct
class Camera:
    """Intrinsics and pose: x_cam = R X + t."""

    fx: float
    fy: float
    cx: float
    cy: float
    R: wp.mat33
    t: wp.vec3
    width: int
    height: int


@wp.struct
class Limits:
    """As ``Limits`` of ``native/splats/splats.hpp``."""

    alpha_min: float
    transmittance_min: float
    near: float
    blur: float


@wp.func
def turn_of(rows: wp.array2d(dtype=float), i: int):
    """Rotation (3, 3) of a Gaussian, from its quaternion (w, x, y, z) of any length."""
    w, x, y, z = rows[i, 6], rows[i, 7], rows[i, 8], rows[i, 9]
    norm = wp.sqrt(w * w + x * x + y * y + z * z)
    return wp.quat_to_matrix(wp.quat(x / norm, y / norm, z / norm, w / norm))


@wp.func
def harmonic(rows: wp.array2d(dtype=float), i: int, term: int):
    """Coefficient of one term for the three colours."""
    at = 11 + 3 * term
    return wp.vec3(rows[i, at], rows[i, at + 1], rows[i, at + 2])


@wp.func
def color_of(rows: wp.array2d(dtype=float), i: int, degree: int, d: wp.vec3):
    """What is seen along a unit direction, before it is held above zero."""
    x, y, z = d[0], d[1], d[2]
    value = wp.vec3(0.5, 0.5, 0.5) + 0.28209479177387814 * harmonic(rows, i, 0)
    if degree > 0:
        value = value + 0.4886025119029199 * (
            z * harmonic(rows, i, 2) - y * harmonic(rows, i, 1) - x * harmonic(rows, i, 3)
        )
    xx, yy, zz = x * x, y * y, z * z
    if degree > 1:
        value = (
            value
            + 1.0925484305920792 * x * y * harmonic(rows, i, 4)
            - 1.0925484305920792 * y * z * harmonic(rows, i, 5)
            + 0.31539156525252005 * (2.0 * zz - xx - yy) * harmonic(rows, i, 6)
            - 1.0925484305920792 * x * z * harmonic(rows, i, 7)
            + 0.5462742152960396 * (xx - yy) * harmonic(rows, i, 8)
        )
    if degree > 2:
        value = (
            value
            - 0.5900435899266435 * y * (3.0 * xx - yy) * harmonic(rows, i, 9)
            + 2.890611442640554 * x * y * z * harmonic(rows, i, 10)
            - 0.4570457994644658 * y * (4.0 * zz - xx - yy) * harmonic(rows, i, 11)
            + 0.3731763325901154 * z * (2.0 * zz - 3.0 * xx - 3.0 * yy) * harmonic(rows, i, 12)
            - 0.4570457994644658 * x * (4.0 * zz - xx - yy) * harmonic(rows, i, 13)
            + 1.445305721320277 * z * (xx - yy) * harmonic(rows, i, 14)
            - 0.5900435899266435 * x * (xx - 3.0 * yy) * harmonic(rows, i, 15)
        )
    return value


@wp.kernel
def project(
    rows: wp.array2d(dtype=float),
    degree: int,
    camera: Camera,
    limits: Limits,
    centers: wp.array(dtype=wp.vec2),
    conics: wp.array(dtype=wp.vec3),
    opacities: wp.array(dtype=float),
    colors: wp.array(dtype=wp.vec3),
    reaches: wp.array(dtype=wp.vec2),
    depths: wp.array(dtype=float),
):
    """Gaussians to ellipses: centre (u, v), inverse covariance (a, b, c), opacity, colour.

    ``depths`` stays 0 of what is not seen.
    """
    i = wp.tid()
    X = wp.vec3(rows[i, 0], rows[i, 1], rows[i, 2])
    p = camera.R * X + camera.t
    z = p[2]
    if z <= limits.near:
        return
    length = rows[i, 6] * rows[i, 6] + rows[i, 7] * rows[i, 7]
    length = length + rows[i, 8] * rows[i, 8] + rows[i, 9] * rows[i, 9]
    if length <= 0.0:
        return
    across = _BESIDE * 0.5 * float(camera.width) / camera.fx
    down = _BESIDE * 0.5 * float(camera.height) / camera.fy
    hx = wp.clamp(
        p[0] / z,
        -camera.cx / camera.fx - across,
        (float(camera.width) - camera.cx) / camera.fx + across,
    )
    hy = wp.clamp(
        p[1] / z,
        -camera.cy / camera.fy - down,
        (float(camera.height) - camera.cy) / camera.fy + down,
    )
    to_world = wp.transpose(camera.R)
    right = wp.vec3(camera.fx / z, 0.0, -camera.fx * hx / z)
    below = wp.vec3(0.0, camera.fy / z, -camera.fy * hy / z)
    axes = turn_of(rows, i)
    deviations = wp.vec3(wp.exp(rows[i, 3]), wp.exp(rows[i, 4]), wp.exp(rows[i, 5]))
    to_axes = wp.transpose(axes)
    b0 = wp.cw_mul(to_axes * (to_world * right), deviations)
    b1 = wp.cw_mul(to_axes * (to_world * below), deviations)
    a0 = wp.dot(b0, b0)
    c0 = wp.dot(b1, b1)
    b = wp.dot(b0, b1)
    n = wp.cross(b0, b1)
    det0 = wp.dot(n, n)
    a = a0 + limits.blur
    c = c0 + limits.blur
    det = det0 + limits.blur * (a0 + c0 + limits.blur)
    if det <= 0.0 or not wp.isfinite(det):
        return
    factor = wp.sqrt(wp.max(det0 / det, _THINNEST))
    opacity = factor / (1.0 + wp.exp(-rows[i, 10]))
    if opacity <= limits.alpha_min:
        return
    q = 2.0 * wp.log(opacity / limits.alpha_min)
    u = camera.fx * p[0] / z + camera.cx
    v = camera.fy * p[1] / z + camera.cy
    reach = wp.vec2(wp.sqrt(q * a), wp.sqrt(q * c))
    if u + reach[0] < 0.0 or u - reach[0] > float(camera.width):
        return
    if v + reach[1] < 0.0 or v - reach[1] > float(camera.height):
        return
    d = wp.normalize(X + to_world * camera.t)
    centers[i] = wp.vec2(u, v)
    conics[i] = wp.vec3(c / det, -b / det, a / det)
    opacities[i] = opacity
    colors[i] = wp.max(color_of(rows, i, degree, d), wp.vec3(0.0, 0.0, 0.0))
    reaches[i] = reach
    depths[i] = z


@wp.func
def tiles_of(center: wp.vec2, reach: wp.vec2, columns: int, lines: int):
    """First and last column and row of the tiles that an ellipse's bounding box touches."""
    first_x = wp.max(0, int(wp.floor((center[0] - reach[0]) / float(_TILE))))
    last_x = wp.min(columns - 1, int(wp.floor((center[0] + reach[0]) / float(_TILE))))
    first_y = wp.max(0, int(wp.floor((center[1] - reach[1]) / float(_TILE))))
    last_y = wp.min(lines - 1, int(wp.floor((center[1] + reach[1]) / float(_TILE))))
    return wp.vec4i(first_x, last_x, first_y, last_y)


@wp.kernel(enable_backward=False)
def count_tiles(
    centers: wp.array(dtype=wp.vec2),
    reaches: wp.array(dtype=wp.vec2),
    depths: wp.array(dtype=float),
    columns: int,
    lines: int,
    counts: wp.array(dtype=int),
):
    """How many tiles each splat touches."""
    i = wp.tid()
    counts[i] = 0
    if depths[i] > 0.0:
        box = tiles_of(centers[i], reaches[i], columns, lines)
        counts[i] = wp.max(0, box[1] - box[0] + 1) * wp.max(0, box[3] - box[2] + 1)


@wp.kernel(enable_backward=False)
def list_tiles(
    centers: wp.array(dtype=wp.vec2),
    reaches: wp.array(dtype=wp.vec2),
    depths: wp.array(dtype=float),
    columns: int,
    lines: int,
    ends: wp.array(dtype=int),
    keys: wp.array(dtype=wp.int64),
    splats: wp.array(dtype=int),
):
    """A key for each splat in each tile: the tile, then the depth, whose bits sort as it does."""
    i = wp.tid()
    if depths[i] <= 0.0:
        return
    at = int(0)
    if i > 0:
        at = ends[i - 1]
    box = tiles_of(centers[i], reaches[i], columns, lines)
    near = wp.int64(wp.cast(depths[i], wp.int32))
    for y in range(box[2], box[3] + 1):
        for x in range(box[0], box[1] + 1):
            keys[at] = (wp.int64(y * columns + x) << wp.int64(32)) | near
            splats[at] = i
            at += 1


@wp.kernel(enable_backward=False)
def find_ranges(keys: wp.array(dtype=wp.int64), count: int, ranges: wp.array2d(dtype=int)):
    """Where each tile's splats begin and end in the sorted list."""
    k = wp.tid()
    tile = int(keys[k] >> wp.int64(32))
    if k == 0 or int(keys[k - 1] >> wp.int64(32)) != tile:
        ranges[tile, 0] = k
    if k == count - 1 or int(keys[k + 1] >> wp.int64(32)) != tile:
        ranges[tile, 1] = k + 1


@wp.func
def pixel_of(thread: int, columns: int):
    """Row and column of a thread's pixel, and its tile: a block of threads for each tile."""
    tile = thread // PIXELS
    inside = thread % PIXELS
    y = tile // columns * _TILE + inside // _TILE
    x = tile % columns * _TILE + inside % _TILE
    return wp.vec3i(y, x, tile)


@wp.kernel(enable_backward=False)
def draw(
    ranges: wp.array2d(dtype=int),
    splats: wp.array(dtype=int),
    centers: wp.array(dtype=wp.vec2),
    conics: wp.array(dtype=wp.vec3),
    opacities: wp.array(dtype=float),
    colors: wp.array(dtype=wp.vec3),
    background: wp.vec3,
    camera: Camera,
    limits: Limits,
    columns: int,
    picture: wp.array2d(dtype=wp.vec3),
    transmittance: wp.array2d(dtype=float),
):
    """Splats blended front to back, a pixel for each thread."""
    place = pixel_of(wp.tid(), columns)
    y, x = place[0], place[1]
    if y >= camera.height or x >= camera.width:
        return
    at = wp.vec2(float(x) + 0.5, float(y) + 0.5)
    T = float(1.0)
    color = wp.vec3(0.0, 0.0, 0.0)
    for k in range(ranges[place[2], 0], ranges[place[2], 1]):
        i = splats[k]
        d = at - centers[i]
        shape = conics[i]
        power = shape[0] * d[0] * d[0] + 2.0 * shape[1] * d[0] * d[1] + shape[2] * d[1] * d[1]
        alpha = wp.min(opacities[i] * wp.exp(-0.5 * power), _OPAQUE)
        if alpha >= limits.alpha_min:
            color += alpha * T * colors[i]
            T = T - alpha * T
            if T < limits.transmittance_min:
                break
    picture[y, x] = color + T * background
    transmittance[y, x] = T


@wp.kernel(enable_backward=False)
def pull(
    ranges: wp.array2d(dtype=int),
    splats: wp.array(dtype=int),
    centers: wp.array(dtype=wp.vec2),
    conics: wp.array(dtype=wp.vec3),
    opacities: wp.array(dtype=float),
    colors: wp.array(dtype=wp.vec3),
    camera: Camera,
    limits: Limits,
    columns: int,
    picture: wp.array2d(dtype=wp.vec3),
    by_picture: wp.array2d(dtype=wp.vec3),
    error: wp.array2d(dtype=float),
    by_centers: wp.array(dtype=wp.vec2),
    by_conics: wp.array(dtype=wp.vec3),
    by_opacities: wp.array(dtype=float),
    by_colors: wp.array(dtype=wp.vec3),
    errors: wp.array(dtype=float),
):
    """The way back of :func:`draw`, also front to back; see ``native/splats/raster_body.hpp``."""
    place = pixel_of(wp.tid(), columns)
    y, x = place[0], place[1]
    if y >= camera.height or x >= camera.width:
        return
    at = wp.vec2(float(x) + 0.5, float(y) + 0.5)
    g = by_picture[y, x]
    wrong = error[y, x]
    behind = wp.dot(g, picture[y, x])
    T = float(1.0)
    for k in range(ranges[place[2], 0], ranges[place[2], 1]):
        i = splats[k]
        d = at - centers[i]
        shape = conics[i]
        power = shape[0] * d[0] * d[0] + 2.0 * shape[1] * d[0] * d[1] + shape[2] * d[1] * d[1]
        full = opacities[i] * wp.exp(-0.5 * power)
        alpha = wp.min(full, _OPAQUE)
        if alpha >= limits.alpha_min:
            weight = alpha * T
            gain = wp.dot(g, colors[i])
            behind = behind - gain * weight
            wp.atomic_add(by_colors, i, weight * g)
            wp.atomic_add(errors, i, weight * wrong)
            if full < _OPAQUE:
                # By ln alpha.
                by = gain * weight - alpha * behind / (1.0 - alpha)
                wp.atomic_add(by_opacities, i, by / opacities[i])
                across = shape[0] * d[0] + shape[1] * d[1]
                down = shape[1] * d[0] + shape[2] * d[1]
                wp.atomic_add(by_centers, i, wp.vec2(by * across, by * down))
                squares = wp.vec3(-0.5 * d[0] * d[0], -d[0] * d[1], -0.5 * d[1] * d[1])
                wp.atomic_add(by_conics, i, by * squares)
            T = T - weight
            if T < limits.transmittance_min:
                break


@wp.kernel
def find_planes(
    rows: wp.array2d(dtype=float),
    camera: Camera,
    depths: wp.array(dtype=float),
    planes: wp.array(dtype=wp.vec3),
):
    """The plane m . X = 1 (camera frame) in which each flat Gaussian lies."""
    i = wp.tid()
    if depths[i] <= 0.0:
        return
    axes = turn_of(rows, i)
    axis = wp.vec3(axes[0, 0], axes[1, 0], axes[2, 0])
    if rows[i, 4] < rows[i, 3] and rows[i, 4] <= rows[i, 5]:
        axis = wp.vec3(axes[0, 1], axes[1, 1], axes[2, 1])
    if rows[i, 5] < rows[i, 3] and rows[i, 5] < rows[i, 4]:
        axis = wp.vec3(axes[0, 2], axes[1, 2], axes[2, 2])
    n = camera.R * axis
    p = camera.R * wp.vec3(rows[i, 0], rows[i, 1], rows[i, 2]) + camera.t
    distance = wp.dot(n, p)
    least = _GRAZING * wp.length(p)
    side = float(1.0)
    if distance < 0.0:
        side = float(-1.0)
    planes[i] = n / (side * wp.max(side * distance, least))


@wp.func
def inverse_depth(planes: wp.array2d(dtype=wp.vec3), camera: Camera, y: int, x: int):
    """Of a pixel, from the plane that it shows."""
    across = (float(x) + 0.5 - camera.cx) / camera.fx
    down = (float(y) + 0.5 - camera.cy) / camera.fy
    return wp.dot(planes[y, x], wp.vec3(across, down, 1.0))


@wp.kernel
def agree(
    planes: wp.array2d(dtype=wp.vec3),
    transmittance: wp.array2d(dtype=float),
    camera: Camera,
    share: float,
    loss: wp.array(dtype=float),
):
    """Sum of 1 - cos between blended normals and those of the depths, times ``share``."""
    y, x = wp.tid()
    if y < 1 or x < 1 or y >= camera.height - 1 or x >= camera.width - 1:
        return
    if transmittance[y, x] > _SHOWN:
        return
    q = inverse_depth(planes, camera, y, x)
    right = inverse_depth(planes, camera, y, x + 1)
    left = inverse_depth(planes, camera, y, x - 1)
    below = inverse_depth(planes, camera, y + 1, x)
    above = inverse_depth(planes, camera, y - 1, x)
    across = 0.5 * (right - left)
    down = 0.5 * (below - above)
    if wp.abs(across) + wp.abs(down) >= _STEP * q:
        return
    px = float(x) + 0.5 - camera.cx
    py = float(y) + 0.5 - camera.cy
    a = planes[y, x]
    b = wp.vec3(camera.fx * across, camera.fy * down, q - px * across - py * down)
    lengths = wp.length(a) * wp.length(b)
    if lengths <= 0.0:
        return
    wp.atomic_add(loss, 0, share * (1.0 - wp.dot(a, b) / lengths))


@wp.kernel(enable_backward=False)
def prepare(
    drawn: wp.array2d(dtype=wp.vec3),
    pixels: wp.array3d(dtype=wp.uint8),
    mask: wp.array2d(dtype=wp.uint8),
    masked: int,
    background: wp.vec3,
    exposure: wp.mat33,
    offset: wp.vec3,
    photo: wp.array2d(dtype=wp.vec3),
    shown: wp.array2d(dtype=wp.vec3),
):
    """The photo and the drawn picture as they are compared."""
    y, x = wp.tid()
    shown[y, x] = exposure * drawn[y, x] + offset
    seen = wp.vec3(float(pixels[y, x, 0]), float(pixels[y, x, 1]), float(pixels[y, x, 2])) / 255.0
    if masked != 0:
        inside = float(mask[y, x]) / 255.0
        seen = inside * seen + (1.0 - inside) * background
    photo[y, x] = seen


@wp.kernel(enable_backward=False)
def blur_products(
    shown: wp.array2d(dtype=wp.vec3),
    photo: wp.array2d(dtype=wp.vec3),
    window: vec11,
    out: wp.array3d(dtype=wp.vec3),
):
    """Along the rows: shown, photo, and the products of both (5, height, width)."""
    y, x = wp.tid()
    a, b = wp.vec3(), wp.vec3()
    aa, bb, ab = wp.vec3(), wp.vec3(), wp.vec3()
    for i in range(-_RADIUS, _RADIUS + 1):
        if x + i >= 0 and x + i < shown.shape[1]:
            w = window[i + _RADIUS]
            s = shown[y, x + i]
            p = photo[y, x + i]
            a += w * s
            b += w * p
            aa += w * wp.cw_mul(s, s)
            bb += w * wp.cw_mul(p, p)
            ab += w * wp.cw_mul(s, p)
    out[0, y, x] = a
    out[1, y, x] = b
    out[2, y, x] = aa
    out[3, y, x] = bb
    out[4, y, x] = ab


@wp.func
def blur_column(maps: wp.array3d(dtype=wp.vec3), m: int, y: int, x: int, window: vec11):
    """One map blurred along its columns, at one pixel."""
    total = wp.vec3()
    for i in range(-_RADIUS, _RADIUS + 1):
        if y + i >= 0 and y + i < maps.shape[1]:
            total += window[i + _RADIUS] * maps[m, y + i, x]
    return total


@wp.kernel(enable_backward=False)
def structure(
    blurred: wp.array3d(dtype=wp.vec3),
    shown: wp.array2d(dtype=wp.vec3),
    photo: wp.array2d(dtype=wp.vec3),
    window: vec11,
    ssim_weight: float,
    slopes: wp.array3d(dtype=wp.vec3),
    error: wp.array2d(dtype=float),
    sums: wp.array2d(dtype=wp.vec2),
):
    """SSIM of each pixel, its derivatives by the means (3, height, width), and the error."""
    y, x = wp.tid()
    ms = blur_column(blurred, 0, y, x, window)
    mp = blur_column(blurred, 1, y, x, window)
    ss = blur_column(blurred, 2, y, x, window)
    pp = blur_column(blurred, 3, y, x, window)
    sp = blur_column(blurred, 4, y, x, window)
    by_mean, by_square, by_product = wp.vec3(), wp.vec3(), wp.vec3()
    l1 = float(0.0)
    ssim = float(0.0)
    for k in range(3):
        a1 = 2.0 * ms[k] * mp[k] + _C1
        a2 = 2.0 * (sp[k] - ms[k] * mp[k]) + _C2
        b1 = ms[k] * ms[k] + mp[k] * mp[k] + _C1
        b2 = ss[k] - ms[k] * ms[k] + pp[k] - mp[k] * mp[k] + _C2
        scale = 1.0 / (b1 * b2)
        value = a1 * a2 * scale
        by_product[k] = 2.0 * a1 * scale
        by_square[k] = -value / b2
        by_mean[k] = 2.0 * (mp[k] * (a2 - a1) * scale - ms[k] * value * (1.0 / b1 - 1.0 / b2))
        l1 += wp.abs(shown[y, x][k] - photo[y, x][k])
        ssim += value
    slopes[0, y, x] = by_mean
    slopes[1, y, x] = by_square
    slopes[2, y, x] = by_product
    pixels = float(shown.shape[0] * shown.shape[1])
    wrong = ((1.0 - ssim_weight) * l1 + ssim_weight * (3.0 - ssim)) / 3.0
    error[y, x] = wrong / pixels
    sums[y, x] = wp.vec2(l1, ssim) / (3.0 * pixels)


@wp.kernel(enable_backward=False)
def blur_rows(maps: wp.array3d(dtype=wp.vec3), window: vec11, out: wp.array3d(dtype=wp.vec3)):
    """Maps (3, height, width) along their rows."""
    m, y, x = wp.tid()
    total = wp.vec3()
    for i in range(-_RADIUS, _RADIUS + 1):
        if x + i >= 0 and x + i < maps.shape[2]:
            total += window[i + _RADIUS] * maps[m, y, x + i]
    out[m, y, x] = total


@wp.kernel(enable_backward=False)
def by_shown(
    blurred: wp.array3d(dtype=wp.vec3),
    shown: wp.array2d(dtype=wp.vec3),
    photo: wp.array2d(dtype=wp.vec3),
    window: vec11,
    ssim_weight: float,
    exposure: wp.mat33,
    by_exposed: wp.array2d(dtype=wp.vec3),
    by_drawn: wp.array2d(dtype=wp.vec3),
):
    """Derivative of the loss by the picture after, and before, the photo's exposure."""
    y, x = wp.tid()
    s, p = shown[y, x], photo[y, x]
    share = 1.0 / (3.0 * float(shown.shape[0] * shown.shape[1]))
    by_mean = blur_column(blurred, 0, y, x, window)
    by_square = blur_column(blurred, 1, y, x, window)
    by_product = blur_column(blurred, 2, y, x, window)
    g = -ssim_weight * share * (by_mean + 2.0 * wp.cw_mul(s, by_square) + wp.cw_mul(p, by_product))
    step = (1.0 - ssim_weight) * share
    for k in range(3):
        if s[k] > p[k]:
            g[k] += step
        elif s[k] < p[k]:
            g[k] -= step
    by_exposed[y, x] = g
    by_drawn[y, x] = wp.transpose(exposure) * g


@wp.kernel(enable_backward=False)
def sum_rows(
    drawn: wp.array2d(dtype=wp.vec3),
    by_exposed: wp.array2d(dtype=wp.vec3),
    sums: wp.array2d(dtype=wp.vec2),
    totals: wp.array2d(dtype=float),
):
    """Of each row of the picture: L1, SSIM, and the derivative by the exposure (3, 4)."""
    y, what = wp.tid()
    total = float(0.0)
    for x in range(drawn.shape[1]):
        if what < 2:
            total += sums[y, x][what]
        else:
            k, j = (what - 2) // 4, (what - 2) % 4
            value = by_exposed[y, x][k]
            if j < 3:
                value = value * drawn[y, x][j]
            total += value
    totals[y, what] = total


@wp.kernel(enable_backward=False)
def regularise(
    rows: wp.array2d(dtype=float),
    by_opacity: float,
    by_size: float,
    by_thickness: float,
    by_rows: wp.array2d(dtype=float),
):
    """Add the derivatives of the weights of opacity, size and thickness."""
    i = wp.tid()
    opacity = 1.0 / (1.0 + wp.exp(-rows[i, 10]))
    by_rows[i, 10] = by_rows[i, 10] + by_opacity * opacity * (1.0 - opacity)
    thinnest = int(0)
    for k in range(3):
        by_rows[i, 3 + k] = by_rows[i, 3 + k] + by_size * wp.exp(rows[i, 3 + k])
        if rows[i, 3 + k] < rows[i, 3 + thinnest]:
            thinnest = k
    thickness = by_thickness * wp.exp(rows[i, 3 + thinnest])
    by_rows[i, 3 + thinnest] = by_rows[i, 3 + thinnest] + thickness


@wp.kernel(enable_backward=False)
def adam(
    by_rows: wp.array2d(dtype=float),
    depths: wp.array(dtype=float),
    rates: wp.array(dtype=float),
    correction1: float,
    correction2: float,
    beta1: float,
    beta2: float,
    epsilon: float,
    rows: wp.array2d(dtype=float),
    first: wp.array2d(dtype=float),
    second: wp.array2d(dtype=float),
):
    """A step of Adam on what a photo showed."""
    i, c = wp.tid()
    if depths[i] <= 0.0:
        return
    g = by_rows[i, c]
    m = beta1 * first[i, c] + (1.0 - beta1) * g
    v = beta2 * second[i, c] + (1.0 - beta2) * g * g
    first[i, c] = m
    second[i, c] = v
    rows[i, c] = rows[i, c] - rates[c] / correction1 * m / (wp.sqrt(v) / correction2 + epsilon)
