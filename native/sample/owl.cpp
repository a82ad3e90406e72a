#include "sample/owl.hpp"

namespace gypsum::sample {
namespace {

constexpr float kPi = 3.14159265f;

// The blend of two forms over a width k (Quilez's polynomial smooth minimum).
float blend(float a, float b, float k) {
  const float h = std::max(k - std::abs(a - b), 0.0f) / k;
  return std::min(a, b) - 0.25f * h * h * k;
}
float carve(float a, float b, float k) { return -blend(-a, b, k); }

float ellipsoid(Vec3 p, Vec3 r) {
  const Vec3 q{p.x / r.x, p.y / r.y, p.z / r.z};
  const Vec3 g{q.x / r.x, q.y / r.y, q.z / r.z};
  const float k = length(q);
  return k * (k - 1) / std::max(length(g), 1e-6f);
}

// A limb from a to b whose radius goes from ra to rb.
float limb(Vec3 p, Vec3 a, Vec3 b, float ra, float rb) {
  const Vec3 pa = p - a, ba = b - a;
  const float h = clamp01(dot(pa, ba) / dot(ba, ba));
  return length(pa - ba * h) - mix(ra, rb, h);
}

float box(Vec3 p, Vec3 half, float round) {
  const Vec3 q{std::abs(p.x) - half.x + round, std::abs(p.y) - half.y + round,
               std::abs(p.z) - half.z + round};
  const Vec3 out{std::max(q.x, 0.0f), std::max(q.y, 0.0f), std::max(q.z, 0.0f)};
  return length(out) + std::min(std::max(q.x, std::max(q.y, q.z)), 0.0f) - round;
}

// A round slab between two heights.
float slab(float radial, float z, float radius, float low, float high, float round) {
  const float dx = radial - radius + round;
  const float dz = std::abs(z - 0.5f * (low + high)) - 0.5f * (high - low) + round;
  return length(std::max(dx, 0.0f), std::max(dz, 0.0f)) + std::min(std::max(dx, dz), 0.0f) - round;
}

Vec3 turn_z(Vec3 p, float c, float s) { return {c * p.x + s * p.y, -s * p.x + c * p.y, p.z}; }
Vec3 turn_x(Vec3 p, float c, float s) { return {p.x, c * p.y + s * p.z, -s * p.y + c * p.z}; }
Vec3 turn_y(Vec3 p, float c, float s) { return {c * p.x + s * p.z, p.y, -s * p.x + c * p.z}; }

// The head looks 24 degrees aside and is tilted by 7: an owl that has heard something.
Vec3 to_head(Vec3 p) {
  const Vec3 q = turn_z(p - Vec3{0, -0.006f, 0.222f}, 0.9135f, 0.4067f);
  return turn_y(q, 0.9925f, 0.1219f);
}

Vec3 to_wing(Vec3 p, float side) {
  Vec3 q{side * p.x - 0.052f, p.y - 0.016f, p.z - 0.128f};
  q = turn_x(q, 0.9511f, 0.3090f);
  return turn_z(q, 0.9848f, -0.1736f);
}

float plinth(Vec3 p) {
  const float radial = length(p.x, p.y);
  float d = slab(radial, p.z, 0.0760f, 0.004f, 0.044f, 0.002f);
  d = blend(d, slab(radial, p.z, 0.0870f, -0.001f, 0.0120f, 0.0045f), 0.0025f);
  return blend(d, slab(radial, p.z, 0.0835f, 0.0380f, 0.0480f, 0.0035f), 0.0025f);
}

float body(Vec3 p) {
  float d = ellipsoid(p - Vec3{0, 0.006f, 0.130f}, {0.061f, 0.055f, 0.084f});
  d = blend(d, ellipsoid(p - Vec3{0, -0.016f, 0.140f}, {0.049f, 0.044f, 0.066f}), 0.030f);
  const Vec3 q{std::abs(p.x), p.y, p.z};
  return blend(d, ellipsoid(q - Vec3{0.025f, -0.020f, 0.070f}, {0.023f, 0.024f, 0.030f}), 0.014f);
}

float wing(Vec3 q) {
  // The wing narrows towards its tip.
  const float down = clamp01(0.5f - q.z / 0.156f);
  const float taper = mix(1.0f, 0.50f, down * down);
  return 0.8f * ellipsoid({q.x, q.y / taper, q.z}, {0.0165f, 0.041f, 0.080f});
}

float tail(Vec3 p) {
  return box(turn_x(p - Vec3{0, 0.063f, 0.086f}, 0.8829f, 0.4695f), {0.025f, 0.0075f, 0.047f}, 0.006f);
}

struct Face {
  float head, eye, beak, disc, angle, side;
};

Face face(Vec3 q) {
  Face f{};
  f.side = q.x < 0 ? -1.0f : 1.0f;
  const Vec3 m{std::abs(q.x), q.y, q.z};
  float d = ellipsoid(q, {0.0560f, 0.0490f, 0.0465f});
  d = blend(d, limb(m, {0.030f, -0.006f, 0.026f}, {0.050f, -0.006f, 0.067f}, 0.0150f, 0.0042f), 0.016f);
  // Facial disc: a dish with a rim, and in it the eye with its lid.
  const Vec3 axis{0.2977f, -0.9507f, 0.0868f}, centre{0.0232f, -0.0425f, 0.0020f};
  const Vec3 r = m - centre;
  const float h = dot(r, axis);
  const Vec3 in_plane = r - axis * h;
  const float radius = length(in_plane);
  d = carve(d, -0.0095f + length(radius * (0.0095f / 0.0235f), h - 0.0045f), 0.004f);
  d = blend(d, length(radius - 0.0245f, h + 0.0005f) - 0.0034f, 0.005f);
  d = blend(d, limb(m, {0.003f, -0.0530f, 0.009f}, {0.043f, -0.029f, 0.040f}, 0.0048f, 0.0026f), 0.007f);
  d = blend(d, length(radius - 0.0138f, h - 0.0022f) - 0.0024f, 0.0025f);
  f.eye = length(r + axis * 0.0034f) - 0.0138f;
  f.beak = std::min(limb(q, {0, -0.0500f, -0.002f}, {0, -0.0625f, -0.011f}, 0.0090f, 0.0062f),
                    limb(q, {0, -0.0625f, -0.011f}, {0, -0.0610f, -0.028f}, 0.0062f, 0.0018f));
  f.head = d;
  // The disc's plane also cuts the back of the head.
  f.disc = h > -0.02f ? radius / 0.0235f : 9;
  f.angle = std::atan2(in_plane.z, in_plane.x);
  return f;
}

float toes(Vec3 p, float& claw) {
  const Vec3 m{std::abs(p.x), p.y, p.z};
  float d = 1;
  claw = 1;
  for (int k = -1; k <= 1; ++k) {
    const float out = 0.0140f * k, back = 0.004f * std::abs(k);
    const Vec3 knuckle{0.0265f + 0.6f * out, -0.047f + back, 0.0575f};
    const Vec3 tip{0.0265f + out, -0.0635f + back, 0.0525f};
    d = std::min(d, limb(m, {0.0265f, -0.028f, 0.0560f}, knuckle, 0.0080f, 0.0082f));
    d = blend(d, limb(m, knuckle, tip, 0.0082f, 0.0062f), 0.004f);
    claw = std::min(claw, limb(m, tip, tip + Vec3{0.12f * out, -0.0085f, -0.0030f}, 0.0046f, 0.0016f));
  }
  return d;
}

// A layer of feathers like roof tiles. `a` counts feathers across and `b` rows downwards; the upper
// row lies on the lower one. Each feather is two rows long, so every place is covered.
Feather shingles(float a, float b, int around, uint32_t salt) {
  Feather found;
  const int row = floor_int(b);
  for (int k = 1; k >= 0; --k) {
    const int r = row - k;
    const float column = a - 0.5f * (r & 1);
    int c = floor_int(column);
    const float across = 2 * (column - c) - 1;
    if (around > 0) c = ((c % around) + around) % around;
    const float along = 0.5f * (b - r);
    const float tip = std::max(2 * along - 1, 0.0f);
    const float half = std::sqrt(std::max(1 - tip * tip, 0.0f));
    const float edge = 0.5f * (half - std::abs(across));
    const Feather f{hash(c, r, salt), 0.30f + 0.55f * along + 0.15f * (1 - across * across), across,
                    along, edge};
    if (k == 1) {
      found = f;
      if (edge > 0.12f) return found;
    } else {
      // Over the last stretch before its outline the upper feather comes down to the lower one.
      const float over = smoothstep(0.0f, 0.12f, found.edge);
      const float height = mix(f.height, found.height, over);
      if (found.edge <= 0.03f) found = f;
      found.height = height;
    }
  }
  return found;
}

}  // namespace

Place place(Vec3 p) {
  Place at;
  at.side = p.x < 0 ? -1.0f : 1.0f;
  const float stand = plinth(p);
  at.distance = stand;
  at.local = p;
  if (p.z < 0.035f) {
    at.angle = std::atan2(p.x, -p.y);
    // The owl starts above; only its tail comes near.
    if (stand < 0.004f || p.z < 0.02f) return at;
  }

  const Vec3 q = to_head(p), w = to_wing(p, at.side);
  const Face f = face(q);
  const float torso = body(p), flap = wing(w), train = tail(p);
  float claw = 1;
  const float foot = toes(p, claw);

  const float trunk = blend(blend(torso, flap, 0.0035f), train, 0.004f);
  float d = blend(trunk, f.head, 0.010f);
  d = std::min(d, std::min(f.eye, f.beak));
  d = std::min(d, blend(foot, claw, 0.0015f));
  at.distance = std::min(stand, blend(d, stand, 0.003f));
  at.joint = smoothstep(0.000f, 0.006f, std::abs(trunk - f.head));

  float nearest = stand;
  const auto closer = [&](float distance, Part part) {
    if (distance < nearest) {
      nearest = distance;
      at.part = part;
    }
  };
  closer(torso, Part::body);
  closer(train, Part::tail);
  closer(flap, Part::wing);
  closer(f.head, Part::head);
  closer(f.eye, Part::eye);
  closer(f.beak, Part::beak);
  closer(foot, Part::toe);
  closer(claw, Part::claw);
  if (at.part == Part::head || at.part == Part::eye || at.part == Part::beak) {
    at.local = q;
    at.side = f.side;
    at.disc = f.disc;
    at.angle = f.angle;
  } else if (at.part == Part::wing) {
    at.local = w;
  } else if (at.part == Part::plinth) {
    at.angle = std::atan2(p.x, -p.y);
  }
  return at;
}

Feather feather_at(const Place& at, Vec3 p) {
  // Rows wander a little: laid by hand.
  const Vec3 low = p * 38.0f;
  const float wander = 0.22f * noise(low), sway = 0.22f * noise(low + Vec3{9.2f, 3.1f, 5.7f});
  if (at.part == Part::wing) {
    const Vec3 q = at.local;
    const float down = std::max(0.52f - q.z / 0.160f, 0.0f);
    const float row = 13.0f * down / (0.48f + down);
    return shingles(q.y / 0.0125f + 0.5f * wander + 20, row + 0.5f * sway + 3, 0,
                    at.side < 0 ? 11u : 12u);
  }
  if (at.part == Part::tail) {
    return shingles(p.x / 0.0105f + 20.5f + 0.3f * wander, -p.z / 0.034f + 30 + 0.5f * sway, 0, 13u);
  }
  if (at.part == Part::head) {
    // Feathers lead away from the face towards the nape.
    const Vec3 q = at.local;
    const float around = std::atan2(q.x, q.z) / (2 * kPi), away = std::atan2(length(q.x, q.z), -q.y);
    return shingles(around * 30 + wander, away * 5.6f + sway, 30, 14u);
  }
  const float around = std::atan2(p.x, -(p.y - 0.006f)) / (2 * kPi);
  return shingles(around * 28 + wander, -p.z / 0.0098f + 40 + sway, 28, 15u);
}

Cell tessera(const Place& at, Vec3 p) {
  return cells(at.angle * (0.076f / 0.0076f) + 40, p.z / 0.0072f, 21u, 0.9f);
}

float relief(const Place& at, Vec3 p) {
  // Nothing made by hand is even.
  const float uneven = 0.0005f * fractal(p, 55, 2, 0.5f, 0);
  switch (at.part) {
    case Part::plinth: {
      if (p.z > kPlinthBandHigh || p.z < kPlinthBandLow || length(p.x, p.y) < 0.070f) return uneven;
      const Cell tile = tessera(at, p);
      const float tilt = (uniform(tile.id, 5) - 0.5f) * tile.dx + (uniform(tile.id, 6) - 0.5f) * tile.dy;
      // The tiles sink in towards the mouldings.
      const float inner = smoothstep(0, 0.0025f, std::min(kPlinthBandHigh - p.z, p.z - kPlinthBandLow));
      return uneven + inner * smoothstep(0.02f, 0.16f, tile.edge) * (0.0011f + 0.0009f * tilt);
    }
    case Part::body: return uneven + at.joint * 0.0017f * feather_at(at, p).height;
    case Part::wing: return uneven + 0.0022f * feather_at(at, p).height;
    case Part::tail: return uneven + 0.0018f * feather_at(at, p).height;
    case Part::head: {
      const float outside = smoothstep(1.0f, 1.25f, at.disc);
      // Bristles around the eye.
      const float ray = at.angle * 5.5f * at.side;
      const float bristle = at.disc < 1.05f
          ? 0.0005f * noise({ray, 2.2f * at.disc + 7 * at.side, 1.5f}) * (1 - outside) : 0;
      const float front = smoothstep(-0.046f, -0.040f, at.local.y);
      return uneven + bristle + at.joint * front * outside * 0.0013f * feather_at(at, p).height;
    }
    case Part::toe: {
      const float ring = noise({p.x * 90, p.y * 420, p.z * 200});
      return uneven + 0.0004f * ring;
    }
    default: return 0.3f * uneven;
  }
}

float owl(Vec3 p) {
  const Place at = place(p);
  // The relief is at most 3 mm high; far away it doesn't matter.
  if (at.distance > 0.006f || at.distance < -0.006f) return at.distance;
  return at.distance - relief(at, p);
}

float owl_form(Vec3 p) { return place(p).distance - 0.001f; }

Vec3 owl_normal(Vec3 p) {
  // Central differences over about a pixel of the default photo.
  constexpr float e = 0.0003f;
  return normalize({owl(p + Vec3{e, 0, 0}) - owl(p - Vec3{e, 0, 0}),
                    owl(p + Vec3{0, e, 0}) - owl(p - Vec3{0, e, 0}),
                    owl(p + Vec3{0, 0, e}) - owl(p - Vec3{0, 0, e})});
}

}  // namespace gypsum::sample
