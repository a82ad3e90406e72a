#include "sample/render.hpp"

#include "sample/materials.hpp"
#include "sample/threads.hpp"

namespace gypsum::sample {
namespace {

constexpr int kTableGrid = 529;  // lights along a side of the table
constexpr float kTableStep = 2 * kTableRadius / (kTableGrid - 1);
constexpr int kBand = 16;        // rows that one thread draws at a time
// Four places in a pixel on a turned square, which smooth edges, and its centre, which has the depth.
constexpr int kSamples = 5, kCentre = 4;
constexpr float kOffset[kSamples][2] = {{0.375f, 0.125f}, {0.875f, 0.375f}, {0.625f, 0.875f},
                                        {0.125f, 0.625f}, {0.5f, 0.5f}};
constexpr int32_t kNothing = -2, kTable = -1;
constexpr Vec3 kPaper{0.60f, 0.59f, 0.57f}, kInk{0.022f, 0.021f, 0.022f};
constexpr Vec3 kPlaster{0.60f, 0.59f, 0.56f}, kChrome{0.90f, 0.91f, 0.92f};

struct Projected {
  float x, y, inverse_depth;  // 0: behind the camera or far outside the picture
};

}  // namespace

// What a ray meets: a triangle's number, the table or nothing.
struct Scene::Hit {
  int32_t id = kNothing;
  float depth = 0;  // along the optical axis
};

// The camera with what rendering asks of it again and again.
class Scene::View {
 public:
  View(const Camera& camera, const std::vector<Card>& on_table, Finish made_of)
      : c(camera), cards(&on_table), finish(made_of) {
    for (int i = 0; i < 3; ++i)
      centre[i] = -(c.R[i] * c.t[0] + c.R[3 + i] * c.t[1] + c.R[6 + i] * c.t[2]);
    if (finish == Finish::posed)
      window = normalize({turned(0, kWindow), turned(1, kWindow), turned(2, kWindow)});
  }

  // A direction at the sculpture as the room has it.
  Vec3 in_room(Vec3 d) const {
    if (finish != Finish::posed) return d;
    const double* m = c.turn;
    return {float(m[0] * d.x + m[1] * d.y + m[2] * d.z), float(m[3] * d.x + m[4] * d.y + m[5] * d.z),
            float(m[6] * d.x + m[7] * d.y + m[8] * d.z)};
  }

  Projected project(Vec3 p) const {
    double q[3];
    for (int i = 0; i < 3; ++i)
      q[i] = c.R[3 * i] * p.x + c.R[3 * i + 1] * p.y + c.R[3 * i + 2] * p.z + c.t[i];
    if (q[2] < 1e-3) return {0, 0, 0};
    const double x = q[0] / q[2], y = q[1] / q[2], r2 = x * x + y * y;
    if (r2 > 4) return {0, 0, 0};
    const double scale = 1 + c.k1 * r2;
    return {static_cast<float>(c.fx * x * scale + c.cx), static_cast<float>(c.fy * y * scale + c.cy),
            static_cast<float>(1 / q[2])};
  }

  // World direction of the ray through a pixel, of depth one along the optical axis.
  void ray(double px, double py, double direction[3]) const {
    const double xd = (px - c.cx) / c.fx, yd = (py - c.cy) / c.fy;
    const double rd = std::sqrt(xd * xd + yd * yd);
    double r = rd;
    for (int i = 0; i < 8 && c.k1 != 0; ++i)
      r -= (r * (1 + c.k1 * r * r) - rd) / (1 + 3 * c.k1 * r * r);
    const double scale = rd > 0 ? r / rd : 1;
    const double x = xd * scale, y = yd * scale;
    for (int i = 0; i < 3; ++i) direction[i] = c.R[i] * x + c.R[3 + i] * y + c.R[6 + i];
  }

  // Depth at which a ray meets the table; 0 where it doesn't.
  float table(const double d[3]) const {
    if (finish == Finish::posed || d[2] >= 0 || centre[2] <= 0) return 0;
    const double depth = -centre[2] / d[2];
    const double x = centre[0] + depth * d[0], y = centre[1] + depth * d[1];
    return x * x + y * y < kTableRadius * kTableRadius ? static_cast<float>(depth) : 0;
  }

  const Camera& c;
  const std::vector<Card>* cards;
  Finish finish;
  double centre[3];
  Vec3 window = kWindow;  // towards it, from the sculpture

 private:
  // An axis of the sculpture's frame of a direction in the room.
  float turned(int axis, Vec3 d) const {
    return float(c.turn[axis] * d.x + c.turn[3 + axis] * d.y + c.turn[6 + axis] * d.z);
  }
};

Scene::Scene(float cell, int threads) : mesh_(triangulate(cell, threads)) {
  const FormGrid form(threads);
  light_.resize(mesh_.vertices.size());
#pragma omp parallel for num_threads(team(threads)) schedule(static, 256)
  for (size_t n = 0; n < light_.size(); ++n)
    light_[n] = form.light(mesh_.vertices[n], mesh_.normals[n]);
  table_light_.resize(kTableGrid * kTableGrid);
#pragma omp parallel for num_threads(team(threads)) schedule(dynamic, 4)
  for (int j = 0; j < kTableGrid; ++j)
    for (int i = 0; i < kTableGrid; ++i)
      table_light_[j * kTableGrid + i] =
          form.light({i * kTableStep - kTableRadius, j * kTableStep - kTableRadius, 0}, {0, 0, 1});
}

Light Scene::table_light(float x, float y) const {
  const float gx = clamp01((x + kTableRadius) / (2 * kTableRadius)) * (kTableGrid - 1.001f);
  const float gy = clamp01((y + kTableRadius) / (2 * kTableRadius)) * (kTableGrid - 1.001f);
  const int i = static_cast<int>(gx), j = static_cast<int>(gy);
  const float u = gx - i, v = gy - j;
  const Light* a = &table_light_[j * kTableGrid + i];
  const Light* b = a + kTableGrid;
  return {mix(mix(a[0].window, a[1].window, u), mix(b[0].window, b[1].window, u), v),
          mix(mix(a[0].ambient, a[1].ambient, u), mix(b[0].ambient, b[1].ambient, u), v)};
}

namespace {

struct Weights {
  float a, b, c, depth;
};

// Where a ray meets a triangle's plane: the weights of its corners, and the depth.
Weights meet(const Triangles& mesh, int32_t id, const double centre[3], const double d[3]) {
  const auto& f = mesh.faces[id];
  const Vec3 &a = mesh.vertices[f[0]], &b = mesh.vertices[f[1]], &c = mesh.vertices[f[2]];
  const double e1[3] = {double(b.x) - a.x, double(b.y) - a.y, double(b.z) - a.z};
  const double e2[3] = {double(c.x) - a.x, double(c.y) - a.y, double(c.z) - a.z};
  const double s[3] = {centre[0] - a.x, centre[1] - a.y, centre[2] - a.z};
  const double p[3] = {d[1] * e2[2] - d[2] * e2[1], d[2] * e2[0] - d[0] * e2[2], d[0] * e2[1] - d[1] * e2[0]};
  const double q[3] = {s[1] * e1[2] - s[2] * e1[1], s[2] * e1[0] - s[0] * e1[2], s[0] * e1[1] - s[1] * e1[0]};
  const double inverse = 1 / (e1[0] * p[0] + e1[1] * p[1] + e1[2] * p[2]);
  const double u = inverse * (s[0] * p[0] + s[1] * p[1] + s[2] * p[2]);
  const double v = inverse * (d[0] * q[0] + d[1] * q[1] + d[2] * q[2]);
  const double depth = inverse * (e2[0] * q[0] + e2[1] * q[1] + e2[2] * q[2]);
  return {float(1 - u - v), float(u), float(v), float(depth)};
}

}  // namespace

// The table's material under a square of the picture, `side` pixels wide, around (x, y).
Material Scene::table_at(const View& view, Vec3 p, float footprint, double x, double y, double side) const {
  Material m = table_material(p.x, p.y, footprint);
  for (const Card& card : *view.cards) {
    const double reach = card.modules * card.module + 2 * footprint;
    if (std::abs(p.x - card.x) > reach || std::abs(p.y - card.y) > reach) continue;
    double corners[4][2];
    bool on_table = true;
    for (int i = 0; i < 4; ++i) {
      double d[3];
      view.ray(x + side * ((i == 1 || i == 2) - 0.5), y + side * ((i >= 2) - 0.5), d);
      const double depth = -view.centre[2] / d[2];
      on_table &= d[2] < 0;
      corners[i][0] = view.centre[0] + depth * d[0];
      corners[i][1] = view.centre[1] + depth * d[1];
    }
    if (!on_table) continue;
    const Coverage share = cover(card, corners);
    const float bare = static_cast<float>(1 - share.paper - share.ink);
    m.albedo = m.albedo * bare + kPaper * static_cast<float>(share.paper) + kInk * static_cast<float>(share.ink);
    m.gloss = mix(0.1f, m.gloss, bare);
  }
  return m;
}

// What a mirror at `p` shows in a direction: the table, or the room with its window.
Vec3 Scene::reflected(Vec3 p, Vec3 d, float footprint) const {
  const float t = d.z < -0.02f ? p.z / -d.z : 0;
  const float x = p.x + t * d.x, y = p.y + t * d.y;
  if (t <= 0 || x * x + y * y >= kTableRadius * kTableRadius) {
    // Two by two panes: a window in the room's glow.
    const float pane = smoothstep(0.955f, 0.965f, dot(d, kWindow));
    const Vec3 side = normalize(Vec3{-kWindow.y, kWindow.x, 0});
    const float bar = smoothstep(0.015f, 0.03f, std::min(std::abs(dot(d, side)), std::abs(d.z - kWindow.z)));
    return room(d) + kWindowLight * (1.5f * pane * bar);
  }
  const Light light = table_light(x, y);
  const float slope = kWindow.z * light.window;
  // A curved mirror shows things smaller; a pixel covers more of the table there.
  return table_material(x, y, 4 * footprint + 0.004f * t).albedo * (kWindowLight * slope + light.ambient);
}

// Radiance around pixel position (x, y), from a square of the picture `side` pixels wide.
Vec3 Scene::shade(const View& view, const Hit& hit, double x, double y, double side) const {
  double d[3];
  view.ray(x, y, d);
  const Vec3 ray{float(d[0]), float(d[1]), float(d[2])};
  const Vec3 towards = -normalize(ray);
  if (hit.id == kNothing) return room(-towards);
  Vec3 p, normal;
  Light light;
  float depth;
  if (hit.id == kTable) {
    depth = view.table(d);
    if (depth <= 0) depth = hit.depth;
    p = {float(view.centre[0] + depth * d[0]), float(view.centre[1] + depth * d[1]), 0};
    normal = {0, 0, 1};
    // Without the sculpture there is no shade of it: the light is that of the table's rim.
    light = view.finish == Finish::hidden ? table_light(0.62f, 0) : table_light(p.x, p.y);
  } else {
    const Weights w = meet(mesh_, hit.id, view.centre, d);
    depth = w.depth;
    p = {float(view.centre[0] + depth * d[0]), float(view.centre[1] + depth * d[1]),
         float(view.centre[2] + depth * d[2])};
    const auto& f = mesh_.faces[hit.id];
    normal = normalize(mesh_.normals[f[0]] * w.a + mesh_.normals[f[1]] * w.b + mesh_.normals[f[2]] * w.c);
    const Light &l0 = light_[f[0]], &l1 = light_[f[1]], &l2 = light_[f[2]];
    light = {l0.window * w.a + l1.window * w.b + l2.window * w.c,
             l0.ambient * w.a + l1.ambient * w.b + l2.ambient * w.c};
  }
  const float facing = std::max(dot(normal, towards), 0.05f);
  const float footprint = depth * length(ray) / float(view.c.fx) / std::sqrt(std::max(facing, 0.15f));
  if (hit.id != kTable && view.finish == Finish::mirror) {
    const Vec3 away = normal * (2 * dot(normal, towards)) - towards;
    return kChrome * reflected(p, away, footprint);
  }
  if (hit.id != kTable && view.finish == Finish::plain) {
    // Light comes from all around, as in a tent: shapes hardly show, and nothing else does.
    const float soft = 0.5f + 0.5f * dot(normal, kWindow);
    return kPlaster * (Vec3{0.50f, 0.50f, 0.50f} + kWindowLight * (0.03f * soft));
  }
  const Material m =
      hit.id == kTable ? table_at(view, p, footprint, x, y, side) : owl_material(p, footprint);

  float slope = std::max(dot(normal, view.window), 0.0f) * light.window;
  if (view.finish == Finish::posed) {
    // Curtains before the window: its light comes around edges, and nothing throws a shadow.
    const float soft = 0.5f + 0.5f * dot(normal, view.window);
    slope = 0.35f * soft * soft;
    light = {0, room(view.in_room(normal))};
  }
  Vec3 colour = m.albedo * (kWindowLight * slope + light.ambient);
  const Vec3 half = normalize(view.window + towards);
  const float shine = std::pow(std::max(dot(normal, half), 0.0f), m.exponent) * (m.exponent + 8) * 0.04f;
  const float fresnel = 0.04f + 0.50f * std::pow(1 - facing, 5.0f);
  colour += kWindowLight * (0.04f * m.gloss * shine * slope);
  // A satin coat shows the room as a blur; what shades a place hides the room there as well.
  const Vec3 mirrored = normal * (2 * dot(normal, towards)) - towards;
  // In a lens-smooth glaze, the eyes, the window itself can be seen.
  const float pane = smoothstep(0.955f, 0.975f, dot(mirrored, view.window)) * (m.exponent > 200 ? 0.45f : 0.0f);
  colour += kWindowLight * (pane * light.window);
  return colour + room(view.in_room(mirrored)) * light.ambient * (1.2f * m.gloss * fresnel);
}

void Scene::render(const Camera& camera, const std::vector<Card>& cards, Finish finish, const Picture& picture,
                   int threads) const {
  const View view(camera, cards, finish);
  const int width = camera.width, height = camera.height;
  std::vector<Projected> points(mesh_.vertices.size());
#pragma omp parallel for num_threads(team(threads)) schedule(static)
  for (size_t n = 0; n < points.size(); ++n) points[n] = view.project(mesh_.vertices[n]);

  // Front faces by the bands of rows they touch, in the order of their numbers.
  const int bands = (height + kBand - 1) / kBand;
  std::vector<std::vector<int32_t>> faces(bands);
  for (size_t n = 0; n < mesh_.faces.size() && finish != Finish::hidden; ++n) {
    const auto& f = mesh_.faces[n];
    const Projected &a = points[f[0]], &b = points[f[1]], &c = points[f[2]];
    if (a.inverse_depth <= 0 || b.inverse_depth <= 0 || c.inverse_depth <= 0) continue;
    // y points down, so the front is clockwise in numbers.
    if ((b.x - a.x) * (c.y - a.y) - (b.y - a.y) * (c.x - a.x) >= 0) continue;
    const float low = std::min({a.y, b.y, c.y}), high = std::max({a.y, b.y, c.y});
    if (high < 0 || low >= height || std::max({a.x, b.x, c.x}) < 0 || std::min({a.x, b.x, c.x}) >= width)
      continue;
    const int first = std::max(floor_int(low), 0) / kBand;
    const int last = std::min(floor_int(high), height - 1) / kBand;
    for (int band = first; band <= last; ++band) faces[band].push_back(static_cast<int32_t>(n));
  }

#pragma omp parallel num_threads(team(threads))
  {
    std::vector<Hit> hits(static_cast<size_t>(kBand) * width * kSamples);
#pragma omp for schedule(dynamic, 1)
    for (int band = 0; band < bands; ++band) {
      const int top = band * kBand, bottom = std::min(top + kBand, height);
      for (int y = top; y < bottom; ++y)
        for (int x = 0; x < width; ++x)
          for (int s = 0; s < kSamples; ++s) {
            double d[3];
            view.ray(x + kOffset[s][0], y + kOffset[s][1], d);
            const float depth = view.table(d);
            hits[((y - top) * width + x) * kSamples + s] = {depth > 0 ? kTable : kNothing, depth};
          }
      for (const int32_t n : faces[band]) {
        const auto& f = mesh_.faces[n];
        const Projected &a = points[f[0]], &b = points[f[1]], &c = points[f[2]];
        const float area = (c.x - a.x) * (b.y - a.y) - (c.y - a.y) * (b.x - a.x);
        const int x0 = std::max(floor_int(std::min({a.x, b.x, c.x})), 0);
        const int x1 = std::min(floor_int(std::max({a.x, b.x, c.x})), width - 1);
        const int y0 = std::max(floor_int(std::min({a.y, b.y, c.y})), top);
        const int y1 = std::min(floor_int(std::max({a.y, b.y, c.y})), bottom - 1);
        for (int y = y0; y <= y1; ++y)
          for (int x = x0; x <= x1; ++x)
            for (int s = 0; s < kSamples; ++s) {
              const float px = x + kOffset[s][0], py = y + kOffset[s][1];
              const float wa = (c.x - px) * (b.y - py) - (c.y - py) * (b.x - px);
              const float wb = (a.x - px) * (c.y - py) - (a.y - py) * (c.x - px);
              const float wc = area - wa - wb;
              if (wa < 0 || wb < 0 || wc < 0) continue;
              const float depth =
                  area / (wa * a.inverse_depth + wb * b.inverse_depth + wc * c.inverse_depth);
              Hit& hit = hits[((y - top) * width + x) * kSamples + s];
              if (hit.depth <= 0 || depth < hit.depth) hit = {n, depth};
            }
      }
      for (int y = top; y < bottom; ++y)
        for (int x = 0; x < width; ++x) {
          const Hit* hit = &hits[((y - top) * width + x) * kSamples];
          const Hit& middle = hit[kCentre];
          const size_t pixel = static_cast<size_t>(y) * width + x;
          double d[3];
          view.ray(x + 0.5, y + 0.5, d);
          float depth = middle.depth;
          Vec3 normal;
          if (middle.id >= 0) {
            const Weights w = meet(mesh_, middle.id, view.centre, d);
            const auto& f = mesh_.faces[middle.id];
            depth = w.depth;
            normal = normalize(mesh_.normals[f[0]] * w.a + mesh_.normals[f[1]] * w.b + mesh_.normals[f[2]] * w.c);
          } else if (middle.id == kTable) {
            normal = {0, 0, 1};
          }
          picture.depth[pixel] = depth;
          picture.normal[3 * pixel] = normal.x;
          picture.normal[3 * pixel + 1] = normal.y;
          picture.normal[3 * pixel + 2] = normal.z;
          picture.label[pixel] = middle.id >= 0 ? object : middle.id == kTable ? table : background;
          if (!picture.radiance) continue;

          // One surface across the whole pixel needs one look at it, an edge needs four.
          const float pixel_size = depth / float(camera.fx);
          bool edge = false;
          for (int s = 0; s < kCentre; ++s) {
            const Hit& h = hit[s];
            edge |= (h.id >= 0) != (middle.id >= 0) || (h.id < 0 && h.id != middle.id);
            if (h.id >= 0 && middle.id >= 0 && h.id != middle.id)
              edge |= std::abs(h.depth - middle.depth) > 2 * pixel_size ||
                      dot(mesh_.normals[mesh_.faces[h.id][0]], normal) < 0.88f;
          }
          // Far off the table is seen so flat that one look would flicker.
          edge |= middle.id == kTable && -d[2] < 0.30f * std::sqrt(float(d[0] * d[0] + d[1] * d[1] + d[2] * d[2]));
          Vec3 colour;
          if (edge) {
            for (int s = 0; s < kCentre; ++s)
              colour += shade(view, hit[s], x + kOffset[s][0], y + kOffset[s][1], 0.5) * 0.25f;
          } else {
            colour = shade(view, middle, x + 0.5, y + 0.5, 1);
          }
          picture.radiance[3 * pixel] = colour.x;
          picture.radiance[3 * pixel + 1] = colour.y;
          picture.radiance[3 * pixel + 2] = colour.z;
        }
    }
  }
}

}  // namespace gypsum::sample
