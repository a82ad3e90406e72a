// gypsum.native._fusion: which pixels of a depth map agree with the depth maps of other photos.
#include <nanobind/nanobind.h>
#include <nanobind/ndarray.h>
#include <nanobind/stl/vector.h>

#include <omp.h>

#include <algorithm>
#include <cmath>
#include <cstdint>
#include <stdexcept>
#include <vector>

namespace nb = nanobind;
using namespace nb::literals;

namespace {

using Depth = nb::ndarray<const float, nb::ndim<2>, nb::c_contig, nb::device::cpu>;
using Normals = nb::ndarray<const float, nb::shape<-1, -1, 3>, nb::c_contig, nb::device::cpu>;
using Pose = nb::ndarray<const double, nb::shape<3, 4>, nb::c_contig, nb::device::cpu>;
using Intrinsics = nb::ndarray<const double, nb::shape<3, 3>, nb::c_contig, nb::device::cpu>;
template <class T>
using Map = nb::ndarray<T, nb::ndim<2>, nb::c_contig, nb::device::cpu>;
using Points = nb::ndarray<float, nb::shape<-1, -1, 3>, nb::c_contig, nb::device::cpu>;

// A photo's depth and normal map and camera, as single precision for the inner loop.
struct Photo {
  int width, height;
  const float* depth;
  const float* normal;  // camera frame, towards the camera
  float fx, fy, cx, cy;
  float R[9], t[3];
  const std::uint8_t* kept;  // 1 where this photo already gave a point; null when none did

  Photo(const Depth& d, const Normals& n, const Intrinsics& K, const Pose& pose)
      : width(int(d.shape(1))), height(int(d.shape(0))), depth(d.data()), normal(n.data()),
        fx(float(K(0, 0))), fy(float(K(1, 1))), cx(float(K(0, 2))), cy(float(K(1, 2))), kept(nullptr) {
    if (n.shape(0) != d.shape(0) || n.shape(1) != d.shape(1))
      throw std::invalid_argument("depth and normal maps differ in size");
    for (int r = 0; r < 3; ++r) {
      for (int c = 0; c < 3; ++c) R[3 * r + c] = float(pose(r, c));
      t[r] = float(pose(r, 3));
    }
  }

  void to_world(float px, float py, float z, float* X) const {
    const float c[3] = {(px - cx) / fx * z - t[0], (py - cy) / fy * z - t[1], z - t[2]};
    for (int i = 0; i < 3; ++i) X[i] = R[i] * c[0] + R[3 + i] * c[1] + R[6 + i] * c[2];
  }
  void normal_to_world(const float* n, float* N) const {
    for (int i = 0; i < 3; ++i) N[i] = R[i] * n[0] + R[3 + i] * n[1] + R[6 + i] * n[2];
  }
  // Pixel and depth of a world point.
  bool project(const float* X, float* px, float* py, float* z) const {
    *z = R[6] * X[0] + R[7] * X[1] + R[8] * X[2] + t[2];
    if (!(*z > 1e-9f)) return false;
    *px = (R[0] * X[0] + R[1] * X[1] + R[2] * X[2] + t[0]) / *z * fx + cx;
    *py = (R[3] * X[0] + R[4] * X[1] + R[5] * X[2] + t[1]) / *z * fy + cy;
    return *px >= 0 && *py >= 0 && *px < float(width) && *py < float(height);
  }
  // Depth of a map pixel's plane where the line of sight through (px, py) meets it. Without this, a
  // slanted surface would look rough by up to half a pixel's change of depth.
  float depth_at(std::size_t at, float px, float py) const {
    const float* n = normal + 3 * at;
    const float x = (float(at % width) + 0.5f - cx) / fx, y = (float(at / width) + 0.5f - cy) / fy;
    const float here = n[0] * x + n[1] * y + n[2];
    const float there = n[0] * ((px - cx) / fx) + n[1] * ((py - cy) / fy) + n[2];
    const float ratio = here / there;
    return depth[at] * (ratio > 0.98f && ratio < 1.02f ? ratio : 1.0f);
  }
  float footprint(float z) const { return z / std::sqrt(fx * fy); }
};

// A point given by a photo whose pixels are this much larger there is given again, in more detail.
constexpr float kMuchCoarser = 1.5f;

struct Limits {
  float pixels;       // forward-backward distance
  float depth;        // relative difference of depths
  float cosine;       // of the angle between normals
};

// Compares every pixel with the sources. Writes, for each pixel with a depth: how many sources agree,
// how many see through it (its point lies clearly before their surface), whether a source has already
// given this point at no much coarser resolution, and the mean of the agreeing points and normals.
void compare(const Photo& here, const std::vector<Photo>& sources, const Limits& limits,
             int threads, std::uint8_t* agree, std::uint8_t* conflict, std::uint8_t* carried,
             float* points, float* normals) {
#pragma omp parallel for schedule(dynamic, 8) num_threads(threads)
  for (int y = 0; y < here.height; ++y) {
    for (int x = 0; x < here.width; ++x) {
      const std::size_t at = std::size_t(y) * here.width + x;
      const float z = here.depth[at];
      agree[at] = conflict[at] = carried[at] = 0;
      if (!(z > 0)) continue;
      const float px = x + 0.5f, py = y + 0.5f;
      float X[3], N[3];
      here.to_world(px, py, z, X);
      here.normal_to_world(here.normal + 3 * at, N);
      float sum[3] = {X[0], X[1], X[2]}, turn[3] = {N[0], N[1], N[2]}, total = 1;
      const float size = here.footprint(z);
      for (const Photo& other : sources) {
        float qx, qy, qz;
        if (!other.project(X, &qx, &qy, &qz)) continue;
        const std::size_t there = std::size_t(int(qy)) * other.width + int(qx);
        if (!(other.depth[there] > 0)) continue;
        const float found = other.depth_at(there, qx, qy);
        if (qz < found * (1 - 4 * limits.depth)) {
          ++conflict[at];
          continue;
        }
        if (std::abs(qz - found) > limits.depth * found) continue;
        float M[3], bx, by, bz;
        other.normal_to_world(other.normal + 3 * there, M);
        if (N[0] * M[0] + N[1] * M[1] + N[2] * M[2] < limits.cosine) continue;
        // The point where the other photo sees it, on the line of sight through the projection.
        float Y[3];
        other.to_world(qx, qy, found, Y);
        if (!here.project(Y, &bx, &by, &bz)) continue;
        if (std::hypot(bx - px, by - py) > limits.pixels) continue;
        ++agree[at];
        const float other_size = other.footprint(found);
        if (other.kept && other.kept[there] && other_size < kMuchCoarser * size) carried[at] = 1;
        const float weight = size * size / (other_size * other_size);
        for (int i = 0; i < 3; ++i) {
          sum[i] += weight * Y[i];
          turn[i] += weight * M[i];
        }
        total += weight;
      }
      const float length = std::sqrt(turn[0] * turn[0] + turn[1] * turn[1] + turn[2] * turn[2]);
      for (int i = 0; i < 3; ++i) {
        points[3 * at + i] = sum[i] / total;
        normals[3 * at + i] = turn[i] / std::max(length, 1e-12f);
      }
    }
  }
}

void compare_maps(Depth depth, Normals normal, Intrinsics K, Pose pose, std::vector<Depth> depths,
                  std::vector<Normals> source_normals, std::vector<Intrinsics> Ks,
                  std::vector<Pose> poses, std::vector<Map<const std::uint8_t>> kept,
                  float max_pixels, float max_depth, float min_cosine, int threads,
                  Map<std::uint8_t> agree,
                  Map<std::uint8_t> conflict, Map<std::uint8_t> carried, Points points,
                  Points normals) {
  const std::size_t count = depths.size();
  if (source_normals.size() != count || Ks.size() != count || poses.size() != count ||
      kept.size() != count)
    throw std::invalid_argument("as many of each as there are sources");
  const auto fits = [&](const auto& array) {
    return array.shape(0) == depth.shape(0) && array.shape(1) == depth.shape(1);
  };
  if (!fits(agree) || !fits(conflict) || !fits(carried) || !fits(points) || !fits(normals))
    throw std::invalid_argument("the results must have the depth map's size");
  const Photo here(depth, normal, K, pose);
  std::vector<Photo> sources;
  for (std::size_t j = 0; j < count; ++j) {
    sources.emplace_back(depths[j], source_normals[j], Ks[j], poses[j]);
    if (kept[j].size() == 0) continue;
    if (kept[j].shape(0) != depths[j].shape(0) || kept[j].shape(1) != depths[j].shape(1))
      throw std::invalid_argument("a mask of kept pixels must have its depth map's size, or none");
    sources.back().kept = kept[j].data();
  }
  const Limits limits{max_pixels, max_depth, min_cosine};
  nb::gil_scoped_release release;
  compare(here, sources, limits, threads > 0 ? threads : omp_get_num_procs(),
          agree.data(), conflict.data(), carried.data(), points.data(), normals.data());
}

}  // namespace

NB_MODULE(_fusion, m) {
  m.doc() = "Consistency of depth maps between photos.";
  m.def("compare_maps", &compare_maps, "depth"_a, "normal"_a, "K"_a, "pose"_a, "depths"_a,
        "source_normals"_a, "Ks"_a, "poses"_a, "kept"_a, "max_pixels"_a, "max_depth"_a,
        "min_cosine"_a, "threads"_a, "agree"_a, "conflict"_a, "carried"_a, "points"_a, "normals"_a);
}
