"""The kernels of ``native/sdf`` once more, in Warp, for graphics cards.

Warp (NVIDIA, Apache-2.0) makes code for a card, or for one core of the processor, out of the
functions below. Each does what its twin of the same name in ``native/sdf`` does; formulae and their
sources are written there. Lengths are voxels. What rays meet lies in arrays of (samples, rays), so
that neighbouring threads read neighbouring values; what is done for samples has a thread for each
of them.
"""

# Warp reads the annotations, as types of its own that mypy doesn't know.
# mypy: ignore-errors

import warp as wp

# Derivatives are written out, as in the native kernels.
wp.set_module_options({"enable_backward": False})

#: Samples of a ray at most.
SAMPLES = 160

_SAMPLES = wp.constant(SAMPLES)
_SIDE = wp.constant(4)
_NODES = wp.constant(64)
_INSIDE = wp.constant(-(2**31))
_DARK = wp.constant(5e-3)
_FAINT = wp.constant(5e-4)
_REACH = wp.constant(5.0)
_LEAP = wp.constant(0.6)
_GOLDEN = wp.constant(wp.float64(0.6180339887498949))
#: Less opacity than this tells nothing.
_EMPTY = wp.constant(1e-6)
_SOFT = wp.constant(0.05)
_NEAR = wp.constant(3.0)

#: What a pixel shows, and the derivative of its errors by that: red, green, blue, opacity, and
#: opacity times depth along z.
vec5 = wp.types.vector(length=5, dtype=float)


@wp.struct
class Field:
    """Distances and colours on blocks of nodes, and the table of blocks."""

    table: wp.array3d(dtype=int)
    distance: wp.array(dtype=float)
    color: wp.array2d(dtype=wp.vec4)
    high: wp.vec3
    truncation: float


@wp.struct
class Rays:
    """As :class:`gypsum.implicit.rays.Rays`; depths that are unknown weigh nothing."""

    cameras: wp.array2d(dtype=float)
    camera: wp.array(dtype=wp.int16)
    pixel: wp.array(dtype=wp.vec2)
    target: wp.array(dtype=wp.vec4)
    trust: wp.array(dtype=float)
    depth: wp.array(dtype=wp.vec2)


@wp.struct
class Optics:
    """As :class:`gypsum.implicit.engine.Optics`."""

    sharpness: float
    step: float
    noise: float
    tail: float
    color: float
    mask: float
    depth: float
    phase: wp.float64


@wp.struct
class Samples:
    """What some rays meet, near to far, and what they show."""

    count: wp.array(dtype=int)
    at: wp.array2d(dtype=float)
    lit: wp.array2d(dtype=float)
    light: wp.array2d(dtype=float)
    color: wp.array2d(dtype=wp.vec3)
    by: wp.array2d(dtype=float)
    seen: wp.array(dtype=vec5)
    pull: wp.array(dtype=vec5)


@wp.struct
class Gradient:
    """Derivatives by the rows, and the blocks that have some."""

    distance: wp.array(dtype=float)
    color: wp.array2d(dtype=wp.vec4)
    seen: wp.array(dtype=wp.uint8)


@wp.struct
class Ray:
    """Start, unit direction, and depth along z for a unit of length."""

    start: wp.vec3
    along: wp.vec3
    depth: float


@wp.func
def make_ray(rays: Rays, i: int):
    """The ray through a pixel."""
    v = int(rays.camera[i])
    x = (rays.pixel[i][0] - rays.cameras[v, 2]) / rays.cameras[v, 0]
    y = (rays.pixel[i][1] - rays.cameras[v, 3]) / rays.cameras[v, 1]
    ray = Ray()
    ray.depth = 1.0 / wp.sqrt(1.0 + x * x + y * y)
    for k in range(3):
        ray.start[k] = rays.cameras[v, 13 + k]
        toward = rays.cameras[v, 4 + k] * x + rays.cameras[v, 7 + k] * y + rays.cameras[v, 10 + k]
        ray.along[k] = toward * ray.depth
    return ray


@wp.func
def clip(ray: Ray, low: wp.vec3, high: wp.vec3):
    """Where a ray enters and leaves an axis-aligned box."""
    enter = float(-1e30)
    leave = float(1e30)
    for k in range(3):
        along = ray.along[k]
        if wp.abs(along) <= 1e-12:
            along = 1e-12
        a = (low[k] - ray.start[k]) / along
        b = (high[k] - ray.start[k]) / along
        enter = wp.max(enter, wp.min(a, b))
        leave = wp.min(leave, wp.max(a, b))
    return wp.vec2(enter, leave)


@wp.func
def place_of(field: Field, ray: Ray, at: float):
    """A sample's position, within the grid."""
    p = ray.start + at * ray.along
    for k in range(3):
        p[k] = wp.clamp(p[k], 0.0, field.high[k] - 1e-3)
    return p


@wp.func
def row_of(field: Field, p: wp.vec3, corner: int):
    """Row of a corner of the cell around a position; -1 where no block is outside, -2 inside."""
    x = int(p[0]) + (corner & 1)
    y = int(p[1]) + ((corner >> 1) & 1)
    z = int(p[2]) + (corner >> 2)
    entry = field.table[z // _SIDE, y // _SIDE, x // _SIDE]
    if entry >= 0:
        return entry * _NODES + ((z % _SIDE) * _SIDE + y % _SIDE) * _SIDE + x % _SIDE
    if entry == _INSIDE:
        return -2
    return -1


@wp.func
def share_of(p: wp.vec3, corner: int):
    """Trilinear weight of a corner of the cell around a position."""
    share = float(1.0)
    for k in range(3):
        part = p[k] - float(int(p[k]))
        if (corner >> k) & 1 == 0:
            part = 1.0 - part
        share = share * part
    return share


@wp.func
def distance_in(field: Field, p: wp.vec3):
    """Trilinear distance at a position."""
    total = float(0.0)
    for c in range(8):
        row = row_of(field, p, c)
        value = field.truncation
        if row >= 0:
            value = field.distance[row]
        elif row == -2:
            value = -field.truncation
        total += share_of(p, c) * value
    return total


@wp.kernel
def march(field: Field, rays: Rays, chosen: wp.array(dtype=int), optics: Optics, samples: Samples):
    """Samples along each ray, near to far, until no light is left."""
    n = wp.tid()
    ray = make_ray(rays, chosen[n])
    turns = wp.float64(chosen[n]) * _GOLDEN + optics.phase
    shift = float(turns - wp.floor(turns))
    ends = clip(ray, wp.vec3(0.0, 0.0, 0.0), field.high - wp.vec3(1e-3, 1e-3, 1e-3))
    at = wp.max(ends[0], 0.0) + 1e-3 + shift * optics.step
    count = int(0)
    light = float(1.0)
    before = float(1.0)
    while at < ends[1] and count < _SAMPLES:
        p = place_of(field, ray, at)
        x, y, z = int(p[0]) // _SIDE, int(p[1]) // _SIDE, int(p[2]) // _SIDE
        entry = field.table[z, y, x]
        if entry < 0 and entry != _INSIDE:
            # Blocks nearer than that are not there, either.
            low = float(_SIDE) * wp.vec3(
                float(x + entry + 1), float(y + entry + 1), float(z + entry + 1)
            )
            high = float(_SIDE) * wp.vec3(float(x - entry), float(y - entry), float(z - entry))
            at = wp.max(at, clip(ray, low, high)[1]) + (0.01 + shift) * optics.step
        else:
            f = distance_in(field, p)
            lit = 1.0 / (1.0 + wp.exp(-wp.max(optics.sharpness * f, -60.0)))
            if count > 0:
                light = light * wp.min(1.0, lit / before)
            before = lit
            samples.at[count, n] = at
            samples.lit[count, n] = lit
            samples.light[count, n] = light
            samples.by[count, n] = 0.0
            count += 1
            if entry == _INSIDE or light < _DARK:
                break
            at += wp.max(wp.max(optics.step, _LEAP * f), f - _REACH / optics.sharpness)
    samples.count[n] = count


@wp.func
def weight_of(samples: Samples, k: int, n: int):
    """Of a sample's colour: half of what is stopped before and behind it."""
    last = samples.count[n] - 1
    return 0.5 * (samples.light[wp.max(k - 1, 0), n] - samples.light[wp.min(k + 1, last), n])


@wp.kernel
def color_in(field: Field, rays: Rays, chosen: wp.array(dtype=int), samples: Samples):
    """Each sample's colour as it is seen from the camera; black where it hardly shows."""
    k, n = wp.tid()
    if k >= samples.count[n]:
        return
    rgb = wp.vec3(0.0, 0.0, 0.0)
    if weight_of(samples, k, n) >= _FAINT:
        ray = make_ray(rays, chosen[n])
        p = place_of(field, ray, samples.at[k, n])
        basis = wp.vec4(1.0, ray.along[0], ray.along[1], ray.along[2])
        for c in range(8):
            row = row_of(field, p, c)
            if row >= 0:
                share = share_of(p, c)
                for j in range(3):
                    rgb[j] += share * wp.dot(field.color[row, j], basis)
    samples.color[k, n] = rgb


@wp.func
def shown_by(samples: Samples, depth: float, k: int, n: int):
    """What a sample would show alone; ``depth`` is the ray's."""
    c = samples.color[k, n]
    return vec5(c[0], c[1], c[2], 1.0, samples.at[k, n] * depth)


@wp.kernel
def look(rays: Rays, chosen: wp.array(dtype=int), samples: Samples):
    """What each ray shows."""
    n = wp.tid()
    ray = make_ray(rays, chosen[n])
    seen = vec5()
    for k in range(samples.count[n]):
        seen += weight_of(samples, k, n) * shown_by(samples, ray.depth, k, n)
    samples.seen[n] = seen


@wp.func
def pull_distances(samples: Samples, ray: Ray, optics: Optics, pull: vec5, squared: bool, n: int):
    """Add the derivative by each sample's distance, or its square, far to near."""
    count = samples.count[n]
    behind = float(0.0)
    later = float(0.0)  # By the fall of S's logarithm between a sample and the one behind.
    for step in range(count):
        k = count - 1 - step
        fall = float(0.0)
        if k > 0:
            worth = wp.dot(pull, shown_by(samples, ray.depth, k, n))
            mean = 0.5 * (worth + wp.dot(pull, shown_by(samples, ray.depth, k - 1, n)))
            left = samples.light[k, n]
            if samples.lit[k, n] < samples.lit[k - 1, n]:
                fall = optics.sharpness * (left * mean - behind)
            behind += (samples.light[k - 1, n] - left) * mean
        by = (later - fall) * (1.0 - samples.lit[k, n])
        if squared:
            by = by * by
        samples.by[k, n] = samples.by[k, n] + by
        later = fall


@wp.func
def judge(seen: vec5, target: wp.vec4, trust: float, depth: wp.vec2, optics: Optics):
    """Derivative of a pixel's errors: of its colour, its opacity against the mask, its depth."""
    photo = wp.vec3(target[0], target[1], target[2])
    error = wp.vec3(seen[0], seen[1], seen[2]) - seen[3] * photo
    size = wp.sqrt(optics.noise * optics.noise + wp.dot(error, error))
    weight = optics.color * trust * target[3] / (1.0 + (size - optics.noise) / optics.tail)
    by_color = weight / size * error
    missing = seen[3] - target[3]
    by_opacity = optics.mask * missing / wp.sqrt(missing * missing + _SOFT * _SOFT)
    off = seen[4] - seen[3] * depth[0]
    whole = wp.sqrt(off * off + 1.0)
    by_depth = optics.depth * depth[1] * off / whole / (1.0 + (whole - 1.0) / _NEAR)
    by_opacity -= wp.dot(by_color, photo) + by_depth * depth[0]
    return vec5(by_color[0], by_color[1], by_color[2], by_opacity, by_depth)


@wp.kernel
def descend(rays: Rays, chosen: wp.array(dtype=int), optics: Optics, samples: Samples):
    """Derivative of each ray's errors by what it shows, and by its samples' distances."""
    n = wp.tid()
    i = chosen[n]
    seen = samples.seen[n]
    pull = judge(seen, rays.target[i], rays.trust[i], rays.depth[i], optics)
    samples.pull[n] = pull
    if seen[3] >= _EMPTY:
        pull_distances(samples, make_ray(rays, i), optics, pull, False, n)


@wp.kernel
def inform(rays: Rays, chosen: wp.array(dtype=int), optics: Optics, samples: Samples):
    """Squared derivatives of three colours and opacity by each sample's distance, summed."""
    n = wp.tid()
    i = chosen[n]
    seen = samples.seen[n]
    if seen[3] < _EMPTY:
        return
    ray = make_ray(rays, i)
    target = rays.target[i]
    wrong = float(0.0)
    for j in range(3):
        error = (seen[j] - seen[3] * target[j]) / optics.tail
        wrong += error * error
    told = optics.color * rays.trust[i] * target[3] / (1.0 + wrong)
    for j in range(3):
        pull = vec5()
        pull[j] = told
        pull[3] = -told * seen[j] / seen[3]
        pull_distances(samples, ray, optics, pull, True, n)
    pull_distances(samples, ray, optics, vec5(0.0, 0.0, 0.0, optics.mask, 0.0), True, n)


@wp.kernel
def scatter(
    field: Field, rays: Rays, chosen: wp.array(dtype=int), samples: Samples, gradient: Gradient
):
    """Add the samples' derivatives to those of the nodes around them."""
    k, n = wp.tid()
    if k >= samples.count[n]:
        return
    by = samples.by[k, n]
    weight = weight_of(samples, k, n)
    if by == 0.0 and weight < _FAINT:
        return
    ray = make_ray(rays, chosen[n])
    p = place_of(field, ray, samples.at[k, n])
    basis = wp.vec4(1.0, ray.along[0], ray.along[1], ray.along[2])
    for c in range(8):
        row = row_of(field, p, c)
        if row >= 0:
            share = share_of(p, c)
            gradient.seen[row // _NODES] = wp.uint8(1)
            wp.atomic_add(gradient.distance, row, share * by)
            if weight >= _FAINT:
                for j in range(3):
                    by_color = share * weight * samples.pull[n][j]
                    wp.atomic_add(gradient.color, row, j, by_color * basis)


@wp.kernel
def scatter_squares(
    field: Field,
    rays: Rays,
    chosen: wp.array(dtype=int),
    samples: Samples,
    squares: wp.array(dtype=float),
):
    """Add the samples' squared derivatives to those of the nodes around them."""
    k, n = wp.tid()
    if k >= samples.count[n] or samples.by[k, n] == 0.0:
        return
    p = place_of(field, make_ray(rays, chosen[n]), samples.at[k, n])
    for c in range(8):
        row = row_of(field, p, c)
        if row >= 0:
            share = share_of(p, c)
            wp.atomic_add(squares, row, share * share * samples.by[k, n])


@wp.kernel
def adam(
    gradient: Gradient,
    rates: wp.vec4,
    decay: wp.vec4,
    step: int,
    color: wp.array2d(dtype=wp.vec4),
    first: wp.array2d(dtype=wp.vec4),
    second: wp.array2d(dtype=wp.vec4),
):
    """A step of Adam on the colours of blocks that rays met."""
    row, j = wp.tid()
    if gradient.seen[row // _NODES] == wp.uint8(0):
        return
    bias1 = 1.0 / (1.0 - wp.pow(0.9, float(step)))
    bias2 = 1.0 / (1.0 - wp.pow(0.99, float(step)))
    value, m, v = color[row, j], first[row, j], second[row, j]
    for k in range(4):
        g = gradient.color[row, j][k]
        if g != 0.0 or v[k] != 0.0:
            g += decay[k] * value[k]
            m[k] = 0.9 * m[k] + (1.0 - 0.9) * g
            v[k] = 0.99 * v[k] + (1.0 - 0.99) * g * g
            value[k] -= rates[k] * bias1 * m[k] / (wp.sqrt(bias2 * v[k]) + 1e-8)
    color[row, j] = value
    first[row, j] = m
    second[row, j] = v


@wp.func
def neighbor(around: wp.array2d(dtype=int), row: int, axis: int, side: int):
    """Row of a node's neighbour before (0) or after (1) it, -1 where there is no block."""
    stride = 1 << (2 * axis)
    sign = 2 * side - 1
    moved = (row // stride) % _SIDE + sign
    if moved >= 0 and moved < _SIDE:
        return row + sign * stride
    block = around[row // _NODES, 2 * axis + side]
    if block < 0:
        return -1
    return block * _NODES + row % _NODES - sign * (_SIDE - 1) * stride


@wp.kernel
def slope(
    distance: wp.array(dtype=float),
    around: wp.array2d(dtype=int),
    eikonal: float,
    curvature: float,
    edge: float,
    width: float,
    by: wp.array(dtype=wp.vec4),
):
    """Derivative of each node's smoothness by its slope and its Laplacian."""
    row = wp.tid()
    by[row] = wp.vec4(0.0, 0.0, 0.0, 0.0)
    f = distance[row]
    if wp.abs(f) > width:
        return
    slopes = wp.vec3(0.0, 0.0, 0.0)
    bend = float(0.0)
    for k in range(3):
        before, after = neighbor(around, row, k, 0), neighbor(around, row, k, 1)
        if before < 0 or after < 0:
            return
        slopes[k] = 0.5 * (distance[after] - distance[before])
        bend += distance[after] + distance[before] - 2.0 * f
    length = wp.length(slopes)
    slopes *= eikonal * (length - 1.0) / wp.max(length, 1e-3)
    bend = curvature * bend / wp.sqrt(1.0 + bend * bend / (edge * edge))
    by[row] = wp.vec4(slopes[0], slopes[1], slopes[2], bend)


@wp.kernel
def regularize(
    by: wp.array(dtype=wp.vec4), around: wp.array2d(dtype=int), gradient: wp.array(dtype=float)
):
    """Add the derivative of the smoothness, out of what :func:`slope` found."""
    row = wp.tid()
    total = -6.0 * by[row][3]
    for k in range(3):
        before, after = neighbor(around, row, k, 0), neighbor(around, row, k, 1)
        if before >= 0:
            total += 0.5 * by[before][k] + by[before][3]
        if after >= 0:
            total += by[after][3] - 0.5 * by[after][k]
    gradient[row] = gradient[row] + total


@wp.kernel
def diffuse(
    values: wp.array(dtype=float), around: wp.array2d(dtype=int), to: wp.array(dtype=float)
):
    """A round of (value + mean of its neighbours) / 2."""
    row = wp.tid()
    total = float(0.0)
    for k in range(6):
        near = neighbor(around, row, k // 2, k % 2)
        if near < 0:
            near = row
        total += values[near]
    to[row] = 0.5 * values[row] + total / 12.0


@wp.kernel
def remember(
    gradient: wp.array(dtype=float),
    distance: wp.array(dtype=float),
    keep1: float,
    keep2: float,
    near: float,
    first: wp.array(dtype=float),
    second: wp.array(dtype=float),
    told: wp.array(dtype=wp.vec2),
):
    """Adam's moments of the distances; the second once more, and 1, at the surface."""
    row = wp.tid()
    g = gradient[row]
    first[row] = first[row] + (1.0 - keep1) * (g - first[row])
    second[row] = second[row] + (1.0 - keep2) * (g * g - second[row])
    told[row] = wp.vec2(0.0, 0.0)
    if wp.abs(distance[row]) < near:
        told[row] = wp.vec2(second[row], 1.0)


@wp.kernel
def move(
    first: wp.array(dtype=float),
    second: wp.array(dtype=float),
    told: wp.array(dtype=wp.vec2),
    floor: float,
    bias1: float,
    bias2: float,
    rate: float,
    distance: wp.array(dtype=float),
):
    """A step of Adam on the distances, bounded from below by the surface's mean ``told``."""
    row = wp.tid()
    mean = float(1.0)
    if told[0][1] > 0.0:
        mean = wp.sqrt(told[0][0] / told[0][1] / bias2)
    scale = wp.sqrt(second[row] / bias2) + floor * mean + 1e-12
    distance[row] = distance[row] - wp.clamp(rate / bias1 * first[row] / scale, -rate, rate)
