#include "sample/materials.hpp"

#include "sample/light.hpp"
#include "sample/owl.hpp"

namespace gypsum::sample {
namespace {

// Fine grain down to about a pixel, on everything: the texture that matching lives on.
float grain(Vec3 p, float footprint) { return fractal(p, 310, 4, 0.72f, footprint); }

// A step at `edge` that is never sharper than a pixel.
float step_at(float edge, float x, float footprint) {
  const float width = std::max(footprint, 1e-5f);
  return smoothstep(edge - width, edge + width, x);
}

// A glaze that pools blue in the hollows and breaks rusty over the edges, as iron glazes do.
Vec3 glaze(Vec3 p, float height, float fp) {
  const Vec3 flow{p.x, p.y, 0.45f * p.z};
  const float run = fractal(flow, 45, 5, 0.62f, fp), fleck = fractal(p, 260, 3, 0.7f, fp);
  Vec3 c = mix(Vec3{0.012f, 0.070f, 0.105f}, Vec3{0.045f, 0.250f, 0.290f}, smoothstep(-0.55f, 0.60f, run + 0.3f * fleck));
  const float rutile = smoothstep(0.10f, 0.75f, fractal(flow + Vec3{3, 1, 2}, 120, 4, 0.65f, fp));
  c = mix(c, {0.330f, 0.500f, 0.490f}, 0.55f * rutile * smoothstep(0.9f, 0.4f, height));
  const float thin = smoothstep(0.66f, 1.02f, height + 0.20f * run + 0.14f * fleck);
  const Vec3 rust = mix(Vec3{0.42f, 0.150f, 0.040f}, Vec3{0.60f, 0.330f, 0.120f}, smoothstep(-0.4f, 0.6f, fleck));
  return mix(c, rust, 0.92f * thin);
}

// Painted detail of one feather over a ground colour.
Vec3 painted_feather(Vec3 ground, Vec3 bar, Vec3 rim, const Feather& f, Vec3 p, float width, float fp) {
  const float soft = fp / width;
  const float wobble = 0.05f * fractal(p, 240, 2, 0.6f, fp);
  const float tint = uniform(f.id, 3) - 0.5f;
  Vec3 c = ground * (1 + 0.30f * tint);
  // Barbs run slantwise from the quill.
  const float slant = std::abs(f.across) * 0.9f + f.along * 2.2f;
  const float barb = noise({slant * 11 + uniform(f.id, 4) * 50, f.across * 1.5f, 0.3f + tint * 9});
  c = c * (1 + 0.34f * barb * band_limit(7.0f / width, 0.5f * fp));
  const float along = f.along + wobble;
  const float tip = smoothstep(0.52f, 0.66f, along) * smoothstep(0.95f, 0.80f, along + 0.10f * tint);
  c = mix(c, bar, 0.85f * tip * (0.75f + 0.5f * uniform(f.id, 6)));
  c = mix(c, rim, 0.80f * smoothstep(0.13f + soft, 0.05f, f.edge + 0.6f * wobble) * smoothstep(0.3f, 0.55f, f.along));
  const float quill = smoothstep(0.10f + soft, 0.02f, std::abs(f.across)) * smoothstep(0.98f, 0.80f, f.along);
  return mix(c, rim, 0.55f * quill * band_limit(0.3f / width, fp));
}

Vec3 marble(Vec3 p, float fp) {
  const Vec3 warp{fractal(p, 22, 3, 0.6f, fp), fractal(p + Vec3{5, 2, 8}, 22, 3, 0.6f, fp), 0};
  const Vec3 q = p + warp * 0.016f;
  const float cloud = fractal(q, 40, 5, 0.65f, fp);
  Vec3 c = mix(Vec3{0.018f, 0.040f, 0.036f}, Vec3{0.070f, 0.125f, 0.100f}, smoothstep(-0.5f, 0.7f, cloud));
  const float vein = std::abs(fractal(q, 52, 4, 0.6f, fp)), thread = std::abs(fractal(q + Vec3{1, 7, 3}, 95, 3, 0.6f, fp));
  c = mix(c, {0.50f, 0.52f, 0.42f}, 0.80f * smoothstep(0.10f, 0.00f, vein));
  return mix(c, {0.52f, 0.34f, 0.12f}, 0.70f * smoothstep(0.055f, 0.0f, thread));
}

Vec3 mosaic(const Place& at, Vec3 p, float fp) {
  const Cell tile = tessera(at, p);
  // The tile's own place decides its colour, so that the picture is laid in tiles.
  const float angle = at.angle - tile.dx * (0.0076f / 0.076f), z = p.z - tile.dy * 0.0072f;
  const float crest = 0.0250f + 0.0068f * noise({3.1f * std::cos(angle), 3.1f * std::sin(angle), 4.5f}) / 0.6f;
  const float above = (z - crest) / 0.0060f + 0.5f * (uniform(tile.id, 7) - 0.5f);
  const Vec3 night{0.030f, 0.060f, 0.200f}, sea{0.045f, 0.260f, 0.270f}, foam{0.68f, 0.62f, 0.48f},
      gold{0.62f, 0.36f, 0.085f}, clay{0.44f, 0.100f, 0.045f};
  Vec3 c = above > 0.75f ? (uniform(tile.id, 8) < 0.16f ? gold : night)
           : above > 0.0f ? foam
           : above > -0.75f ? (uniform(tile.id, 8) < 0.25f ? clay : gold)
                            : (uniform(tile.id, 8) < 0.20f ? foam : sea);
  c = c * (0.70f + 0.60f * uniform(tile.id, 9));
  c = c * (1 + 0.45f * fractal(p + Vec3{uniform(tile.id, 2), 0, 0}, 190, 4, 0.7f, fp));
  const Vec3 grout = Vec3{0.30f, 0.265f, 0.215f} * (1 + 0.5f * grain(p, fp));
  return mix(grout, c, smoothstep(0.02f, 0.10f + fp / 0.0076f, tile.edge));
}

Vec3 eye(const Place& at, Vec3 p, float fp) {
  const float radius = at.disc * 0.0235f;
  const float fibre = noise({at.angle * 9.0f, radius * 240, 3.0f + at.side});
  Vec3 c = mix(Vec3{0.78f, 0.400f, 0.030f}, Vec3{0.40f, 0.110f, 0.012f}, smoothstep(0.0055f, 0.0115f, radius));
  c = c * (1 + 0.55f * fibre) * (1 + 0.3f * grain(p, fp));
  c = mix(c, {0.010f, 0.009f, 0.008f}, step_at(0.0112f, radius + 0.0004f * fibre, fp));
  return mix(Vec3{0.008f, 0.008f, 0.009f}, c, step_at(0.0062f, radius + 0.0003f * fibre, fp));
}

constexpr Vec3 kCream{0.66f, 0.545f, 0.370f}, kRusset{0.31f, 0.095f, 0.030f},
    kIvory{0.78f, 0.700f, 0.540f}, kOchre{0.62f, 0.350f, 0.085f}, kInk{0.020f, 0.045f, 0.060f};

}  // namespace

Material owl_material(Vec3 p, float fp) {
  const Place at = place(p);
  const float fine = grain(p, fp);
  const float mottle = fractal(p, 70, 4, 0.6f, fp);
  Material m;
  switch (at.part) {
    case Part::plinth: {
      const bool band = p.z < kPlinthBandHigh && p.z > kPlinthBandLow;
      m.albedo = band ? mosaic(at, p, fp) : marble(p, fp) * (1 + 0.35f * fine);
      m.gloss = band ? 0.30f : 0.55f;
      m.exponent = band ? 35 : 70;
      return m;
    }
    case Part::eye: return {eye(at, p, fp), 1.0f, 220};
    case Part::beak:
    case Part::toe: {
      Vec3 c = mix(kOchre, Vec3{0.33f, 0.150f, 0.045f}, smoothstep(-0.5f, 0.6f, mottle + 0.5f * fine));
      if (at.part == Part::beak) c = mix(c, kInk, smoothstep(-0.016f, -0.027f, at.local.z + 0.003f * mottle));
      return {c * (1 + 0.35f * fine), 0.40f, 45};
    }
    case Part::claw: return {mix(kInk, Vec3{0.16f, 0.12f, 0.09f}, clamp01(0.5f + 0.8f * fine)), 0.6f, 70};
    default: break;
  }

  const Feather f = feather_at(at, p);
  if (at.part == Part::wing || at.part == Part::tail) {
    const Vec3 g = glaze(p, f.height, fp);
    m.albedo = painted_feather(g, kInk, mix(kRusset, kOchre, 0.6f + 0.4f * mottle), f, p, 0.0125f, fp);
    m.gloss = 0.60f;
    m.exponent = 60;
  } else if (at.part == Part::body) {
    // Cream in front, glazed behind; the border follows the feathers.
    const float front = smoothstep(0.012f, -0.012f, p.y + 0.010f * (uniform(f.id, 11) - 0.5f) + 0.008f * mottle);
    const Vec3 breast = painted_feather(kCream * (1 + 0.25f * mottle), kRusset, kIvory, f, p, 0.0135f, fp);
    const Vec3 back = painted_feather(glaze(p, f.height, fp), kInk, kOchre, f, p, 0.0135f, fp);
    m.albedo = mix(back, breast, front);
    m.gloss = mix(0.55f, 0.28f, front);
    m.exponent = 45;
  } else {
    const Vec3 crown = painted_feather(mix(glaze(p, f.height, fp), kRusset, 0.35f), kInk, kOchre, f, p, 0.0100f, fp);
    // Around the eyes cream with brushed rays, a dark line on the rim, an ivory brow.
    const float ray = noise({at.angle * 7.0f * at.side, 1.1f * at.disc, 8.0f + at.side}) + 0.6f * noise({at.angle * 17.0f, 2.5f * at.disc, 1.0f});
    Vec3 disc = mix(kIvory, kRusset, 0.75f * smoothstep(0.05f, 0.75f, ray) * smoothstep(0.45f, 0.8f, at.disc));
    disc = mix(disc, kInk, 0.85f * smoothstep(0.74f, 0.62f, at.disc + 0.05f * ray));
    const float rim = smoothstep(0.93f, 1.00f, at.disc + 0.05f * ray) * smoothstep(1.20f, 1.12f, at.disc + 0.05f * mottle);
    const Vec3 q = at.local;
    const float front = smoothstep(-0.026f, -0.034f, q.y + 0.006f * mottle);
    Vec3 c = mix(disc, crown, smoothstep(1.05f, 1.15f, at.disc));
    const float brow = front * smoothstep(1.10f, 1.22f, at.disc) * smoothstep(-0.004f, 0.006f, q.z);
    c = mix(c, kIvory * (1 + 0.3f * mottle), 0.85f * brow);
    m.albedo = mix(c, kInk, 0.85f * rim);
    m.gloss = 0.35f;
    m.exponent = 45;
  }
  // Soot and clay settle where the relief is low; grain everywhere.
  m.albedo = m.albedo * (1 + 0.38f * fine) * mix(0.72f, 1.08f, smoothstep(0.30f, 0.85f, f.height));
  const float speck = smoothstep(0.55f, 0.75f, fractal(p + Vec3{2, 9, 4}, 230, 2, 0.6f, fp));
  m.albedo = mix(m.albedo, {0.055f, 0.030f, 0.018f}, 0.65f * speck);
  return m;
}

namespace {

Vec3 walnut(float x, float y, float fp) {
  const float c = 0.9553f, s = 0.2955f;
  const float u = c * x + s * y, v = -s * x + c * y;
  const float width = 0.118f;
  const int plank = floor_int(v / width + 0.43f);
  const uint32_t id = hash(static_cast<uint32_t>(plank + 100));
  const float across = v - (plank - 0.43f) * width;  // 0 to width
  const float shift = 10 * uniform(id, 1);
  // Year rings: distance to a wandering pith under the plank.
  const float bend = 0.016f * noise({2.2f * u + shift, 3.0f * v, shift}) + 0.004f * noise({9 * u + shift, 14 * v, 2.0f});
  const float ring = length(across - width * uniform(id, 2) + bend, 0.02f + 0.06f * uniform(id, 3) + bend) * 190 +
                     0.8f * noise({14 * u, 40 * v, shift});
  const float year = ring - floor_int(ring);
  const float strength = 0.45f + 0.55f * uniform(hash(static_cast<uint32_t>(floor_int(ring)) + id));
  const float late = smoothstep(0.25f, 0.95f, year) * smoothstep(1.0f, 0.95f, year) * strength * band_limit(190, fp);
  const float pore = fractal({0.10f * u, v, shift}, 420, 3, 0.75f, fp);
  const float tone = fractal({u, 3 * v, shift}, 9, 4, 0.6f, fp);
  Vec3 wood = mix(Vec3{0.300f, 0.150f, 0.066f}, Vec3{0.125f, 0.055f, 0.024f}, clamp01(0.42f + 0.40f * tone + 0.48f * (late - 0.3f)));
  wood = wood * (0.80f + 0.40f * uniform(id, 4)) * (1 + 0.45f * pore);
  wood = wood * (1 + 0.30f * grain({x, y, 0.3f}, fp));
  const float gap = std::min(across, width - across);
  return mix(Vec3{0.020f, 0.011f, 0.007f}, wood, smoothstep(0.0004f, 0.0013f + fp, gap));
}

// Scattered flowers, each with its own petals, colours and turn.
Vec3 flowers(Vec3 ground, float x, float y, float fp) {
  const Vec3 indigo{0.024f, 0.052f, 0.150f}, madder{0.420f, 0.065f, 0.045f}, saffron{0.640f, 0.340f, 0.060f},
      leaf{0.120f, 0.190f, 0.070f};
  Vec3 c = ground;
  const Cell sprig = cells(x / 0.0155f, y / 0.0155f, 31u, 0.9f);
  const float turn = 6.283f * uniform(sprig.id, 3), sx = sprig.dx * 0.0155f, sy = sprig.dy * 0.0155f;
  const float lx = std::cos(turn) * sx + std::sin(turn) * sy, ly = -std::sin(turn) * sx + std::cos(turn) * sy;
  const float slim = length(lx / 0.0052f, (ly - 6 * lx * lx) / (0.0011f + 0.0009f * uniform(sprig.id, 4)));
  const float spread = fp / 0.0015f;
  c = mix(c, uniform(sprig.id, 5) < 0.6f ? leaf : indigo, 0.9f * smoothstep(1.0f + 0.5f * spread, 1.0f - spread, slim));

  const Cell flower = cells(x / 0.047f, y / 0.047f, 32u, 0.75f);
  const float fx = flower.dx * 0.047f, fy = flower.dy * 0.047f, r = length(fx, fy);
  const float size = 0.0105f + 0.0090f * uniform(flower.id, 3);
  if (r > 1.3f * size) return c;
  const float petals = 5 + floor_int(4 * uniform(flower.id, 4)), phase = 6.283f * uniform(flower.id, 5);
  const float wave = std::cos(petals * std::atan2(fy, fx) + phase);
  const bool red = uniform(flower.id, 6) < 0.55f;
  const Vec3 outer = red ? madder : indigo, inner = uniform(flower.id, 7) < 0.5f ? saffron : ground;
  const float at = r / (size * (0.82f + 0.18f * wave)), soft = fp / size;
  c = mix(c, outer, smoothstep(1.0f + soft, 1.0f - soft, at));
  c = mix(c, inner, smoothstep(0.72f + soft, 0.72f - soft, at + 0.10f * wave) * smoothstep(0.55f - soft, 0.55f + soft, at));
  c = mix(c, red ? indigo : madder, smoothstep(0.34f + soft, 0.34f - soft, at));
  return mix(c, saffron, smoothstep(0.17f + soft, 0.17f - soft, at));
}

// A block-printed linen square; `inside` is the distance to its edge, positive on the cloth.
Vec3 cloth(float u, float v, float inside, float fp) {
  const Vec3 p{u, v, 0.7f};
  // The printer's hand: outlines wander by a millimetre.
  const float x = u + 0.0011f * fractal(p, 120, 2, 0.5f, fp), y = v + 0.0011f * fractal(p + Vec3{4, 4, 4}, 120, 2, 0.5f, fp);
  const float edge = inside + 0.0010f * fractal(p + Vec3{8, 1, 5}, 150, 2, 0.5f, fp);
  const Vec3 linen{0.610f, 0.535f, 0.410f}, indigo{0.024f, 0.052f, 0.150f}, madder{0.400f, 0.070f, 0.045f};
  const auto stripe = [&](float low, float high) {
    return smoothstep(low - fp, low + fp, edge) * smoothstep(high + fp, high - fp, edge);
  };
  Vec3 c = linen;
  if (edge > 0.050f) c = flowers(linen, x, y, fp);
  if (edge > 0.010f && edge < 0.043f) c = flowers(mix(linen, indigo, 0.97f), x + 1, y + 1, fp);
  c = mix(c, indigo, stripe(0.0100f, 0.0135f) + stripe(0.0395f, 0.0430f));
  c = mix(c, madder, stripe(0.0040f, 0.0072f) + stripe(0.0460f, 0.0485f));
  // Ink is uneven, and every thread has its own tone.
  c = c * (1 + 0.20f * fractal(p, 30, 4, 0.6f, fp));
  const float warp = fractal({u, 0.07f * v, 1.3f}, 620, 2, 0.8f, fp), weft = fractal({0.07f * u, v, 2.9f}, 620, 2, 0.8f, fp);
  c = c * (1 + 0.30f * warp + 0.30f * weft) * (1 + 0.34f * grain(p, fp));
  return mix(c, linen * 0.8f, 0.04f);
}

}  // namespace

Material table_material(float x, float y, float fp) {
  const float c = 0.9272f, s = 0.3746f;
  const float u = c * (x - 0.008f) + s * (y + 0.006f), v = -s * (x - 0.008f) + c * (y + 0.006f);
  const float half_u = 0.232f, half_v = 0.205f;
  // The hem is not quite straight.
  const float hem = 0.0016f * noise({14 * u, 14 * v, 3.3f});
  const float inside = std::min(half_u - std::abs(u), half_v - std::abs(v)) + hem;
  Material m;
  m.gloss = 0.32f;
  m.exponent = 30;
  m.albedo = inside > 0.0005f ? cloth(u, v, inside, fp) : walnut(x, y, fp);
  if (inside > 0.0005f) {
    m.gloss = 0.04f;
  } else if (inside > -0.014f) {
    // Fringe: loose threads of different lengths beyond the hem.
    const bool end = half_u - std::abs(u) < half_v - std::abs(v);
    const float along = (end ? v : u) + 0.0012f * noise({90 * u, 90 * v, 1.1f});
    const float thread = noise({along * 520, end ? 5.0f : 9.0f, u > 0 ? 1.0f : 3.0f});
    const float reach = -0.009f - 0.005f * noise({along * 300, 2.0f, 7.0f});
    const float on = smoothstep(-0.05f, 0.18f + 400 * fp, thread) * step_at(reach, inside, fp) * smoothstep(0.002f, 0.0012f, fp);
    const Vec3 under = m.albedo * mix(0.55f, 1.0f, smoothstep(0.0f, -0.006f, inside));
    m.albedo = mix(under, Vec3{0.60f, 0.52f, 0.39f} * (1 + 0.5f * grain({u, v, 5}, fp)), on);
    m.gloss *= 1 - on;
  }
  const float rim = kTableRadius - length(x, y);
  if (rim < 0.012f) m.albedo = m.albedo * mix(0.35f, 1.0f, smoothstep(0.0f, 0.012f, rim));
  return m;
}

}  // namespace gypsum::sample
