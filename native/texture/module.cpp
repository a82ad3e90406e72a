#include <nanobind/nanobind.h>
#include <nanobind/ndarray.h>
#include <nanobind/stl/optional.h>
#include <nanobind/stl/tuple.h>

#include <optional>
#include <stdexcept>
#include <tuple>

#include "texture/texture.hpp"

namespace nb = nanobind;
namespace tx = gypsum::texture;

namespace {

template <class T, class Shape>
using In = nb::ndarray<const T, Shape, nb::c_contig, nb::device::cpu>;
template <class T, class Shape>
using InOut = nb::ndarray<T, Shape, nb::c_contig, nb::device::cpu>;

using Rows1 = nb::shape<-1>;
using Rows2 = nb::shape<-1, 2>;
using Rows3 = nb::shape<-1, 3>;
using Picture = nb::shape<-1, -1, 3>;
using Plane = nb::shape<-1, -1>;
using Corners = nb::shape<-1, 3, 2>;
using Seams = nb::shape<-1, 2, 2, 2>;

// A new zeroed array that Python owns.
template <class T>
nb::ndarray<nb::numpy, T> make(std::initializer_list<std::size_t> shape) {
  std::size_t count = 1;
  for (const std::size_t n : shape) count *= n;
  T* data = new T[count]();
  nb::capsule owner(data, [](void* p) noexcept { delete[] static_cast<T*>(p); });
  return nb::ndarray<nb::numpy, T>(data, shape, owner);
}

void require(bool holds, const char* what) {
  if (!holds) throw std::invalid_argument(what);
}

auto draw_depth(const In<float, Rows2>& pixels, const In<float, Rows1>& depth,
                const In<std::int32_t, Rows3>& faces, int width, int height, int threads) {
  require(pixels.shape(0) == depth.shape(0), "pixels and depth must have equal length");
  auto out = make<float>({static_cast<std::size_t>(height), static_cast<std::size_t>(width)});
  {
    nb::gil_scoped_release release;
    tx::draw_depth(pixels.data(), depth.data(), faces.data(), faces.shape(0), width, height,
                   threads, out.data());
  }
  return out;
}

auto score_faces(const In<std::uint8_t, Picture>& photo, const In<float, Plane>& surface,
                 const In<float, Rows2>& pixels, const In<float, Rows1>& depth,
                 const In<std::int32_t, Rows3>& faces, const In<float, Rows1>& cosines,
                 const std::optional<In<std::uint8_t, Plane>>& usable, float slack, int rim,
                 int threads) {
  require(photo.shape(0) == surface.shape(0) && photo.shape(1) == surface.shape(1),
          "photo and surface must have equal size");
  require(!usable || (usable->shape(0) == photo.shape(0) && usable->shape(1) == photo.shape(1)),
          "photo and mask must have equal size");
  require(cosines.shape(0) == faces.shape(0), "one cosine for each face");
  require(rim >= 1, "rim is at least 1 pixel");
  auto score = make<float>({faces.shape(0)});
  auto color = make<float>({faces.shape(0), 3});
  auto beside = make<bool>({faces.shape(0)});
  {
    nb::gil_scoped_release release;
    const tx::Photo view{photo.data(), surface.data(), usable ? usable->data() : nullptr,
                         static_cast<int>(photo.shape(1)), static_cast<int>(photo.shape(0))};
    tx::score_faces(view, pixels.data(), depth.data(), faces.data(), cosines.data(),
                    faces.shape(0), {slack, rim}, threads, score.data(), color.data(),
                    reinterpret_cast<std::uint8_t*>(beside.data()));
  }
  return std::make_tuple(score, color, beside);
}

auto find_outliers(const In<std::int64_t, Rows1>& first, const In<std::int32_t, Rows1>& views,
                   const In<float, Rows3>& colors, const In<std::int32_t, Rows2>& edges,
                   int threads) {
  require(views.shape(0) == colors.shape(0), "one colour for each candidate");
  auto rejected = make<bool>({views.shape(0)});
  auto doubt = make<float>({views.shape(0)});
  {
    nb::gil_scoped_release release;
    tx::find_outliers(first.data(), views.data(), colors.data(), first.shape(0) - 1, edges.data(),
                      edges.shape(0), threads, reinterpret_cast<std::uint8_t*>(rejected.data()),
                      doubt.data());
  }
  return std::make_tuple(rejected, doubt);
}

tx::Potts potts(const In<std::int64_t, Rows1>& first, const In<std::int32_t, Rows1>& labels,
                const In<float, Rows1>& costs, const In<std::int32_t, Rows2>& edges,
                const In<float, Rows1>& weights) {
  require(labels.shape(0) == costs.shape(0), "one cost for each label");
  require(edges.shape(0) == weights.shape(0), "one weight for each edge");
  return {first.data(),   labels.data(),        costs.data(),    edges.data(),
          weights.data(), first.shape(0) - 1, edges.shape(0)};
}

auto label_faces(const In<std::int64_t, Rows1>& first, const In<std::int32_t, Rows1>& labels,
                 const In<float, Rows1>& costs, const In<std::int32_t, Rows2>& edges,
                 const In<float, Rows1>& weights, const In<std::int32_t, Rows1>& order,
                 int iterations) {
  const tx::Potts problem = potts(first, labels, costs, edges, weights);
  require(order.shape(0) == problem.faces, "order names every face");
  auto out = make<std::int32_t>({problem.faces});
  tx::Energy energy{};
  {
    nb::gil_scoped_release release;
    energy = tx::label_faces(problem, order.data(), iterations, out.data());
  }
  return std::make_tuple(out, energy.found, energy.bound);
}

std::size_t merge_patches(const In<std::int64_t, Rows1>& first,
                          const In<std::int32_t, Rows1>& labels, const In<float, Rows1>& costs,
                          const In<std::int32_t, Rows2>& edges, const In<float, Rows1>& weights,
                          double patch_cost, const InOut<std::int32_t, Rows1>& chosen) {
  const tx::Potts problem = potts(first, labels, costs, edges, weights);
  require(chosen.shape(0) == problem.faces, "one chosen label for each face");
  nb::gil_scoped_release release;
  return tx::merge_patches(problem, patch_cost, chosen.data());
}

nb::object pack_charts(const In<float, Corners>& corners, const In<std::int64_t, Rows1>& first,
                       int size, int pages, int cell, int padding) {
  const std::size_t charts = first.shape(0) - 1;
  auto out = make<std::int32_t>({charts, 3});
  bool fits = false;
  {
    nb::gil_scoped_release release;
    fits = tx::pack_charts(corners.data(), first.data(), charts, size, pages, cell, padding,
                           reinterpret_cast<tx::Placement*>(out.data()));
  }
  return fits ? nb::cast(out) : nb::none();
}

tx::Charts charts_of(const In<float, Rows2>& uvs, const In<std::int32_t, Rows3>& uv_faces,
                     const In<std::int32_t, Rows1>& order, const In<std::int64_t, Rows1>& first) {
  require(order.shape(0) == uv_faces.shape(0), "order names every face");
  return {uvs.data(), uv_faces.data(), order.data(), first.data(), first.shape(0) - 1};
}

template <class T>
tx::Sheet sheet_of(const nb::ndarray<T, Picture, nb::c_contig, nb::device::cpu>& atlas) {
  return {static_cast<int>(atlas.shape(1)), static_cast<int>(atlas.shape(0))};
}

auto draw_owners(const In<float, Rows2>& uvs, const In<std::int32_t, Rows3>& uv_faces,
                 const In<std::int32_t, Rows1>& order, const In<std::int64_t, Rows1>& first,
                 const In<bool, Rows1>& border, int width, int height, int padding,
                 int threads) {
  auto out = make<std::int32_t>({static_cast<std::size_t>(height), static_cast<std::size_t>(width)});
  {
    nb::gil_scoped_release release;
    tx::draw_owners(charts_of(uvs, uv_faces, order, first),
                    reinterpret_cast<const std::uint8_t*>(border.data()), {width, height}, padding,
                    threads,
                    out.data());
  }
  return out;
}

void paint_charts(const In<float, Rows2>& uvs, const In<std::int32_t, Rows3>& uv_faces,
                  const In<std::int32_t, Rows1>& order, const In<std::int64_t, Rows1>& first,
                  const In<std::int64_t, Rows1>& chosen, const In<std::int32_t, Plane>& owners,
                  const In<std::int32_t, Rows3>& faces, const In<float, Rows3>& camera_points,
                  std::tuple<float, float, float, float> intrinsics,
                  const In<std::uint8_t, Picture>& photo, const In<float, nb::shape<3, 4096>>& curves,
                  std::optional<In<float, Rows1>> weights, std::optional<In<float, Rows3>> offsets,
                  int samples, int padding, const InOut<std::int16_t, Picture>& atlas,
                  int threads) {
  require(weights.has_value() == offsets.has_value(), "weights and offsets go together");
  tx::Mixing mixing{};
  if (weights) {
    require(weights->shape(0) == camera_points.shape(0) && offsets->shape(0) == weights->shape(0),
            "one weight and offset for each vertex");
    mixing = {weights->data(), offsets->data()};
  }
  nb::gil_scoped_release release;
  const auto [fx, fy, cx, cy] = intrinsics;
  tx::paint_charts(charts_of(uvs, uv_faces, order, first), chosen.data(), chosen.shape(0),
                   owners.data(), faces.data(), camera_points.data(), {fx, fy, cx, cy},
                   photo.data(), static_cast<int>(photo.shape(1)),
                   static_cast<int>(photo.shape(0)), curves.data(), weights ? &mixing : nullptr,
                   samples, sheet_of(atlas), padding, threads, atlas.data());
}

void add_colors(const In<float, Rows2>& uvs, const In<std::int32_t, Rows3>& uv_faces,
                const In<std::int32_t, Plane>& owners, const In<float, Rows3>& colors,
                const InOut<std::int16_t, Picture>& atlas, int threads) {
  require(uvs.shape(0) == colors.shape(0), "one colour for each texture coordinate");
  nb::gil_scoped_release release;
  tx::add_colors(uvs.data(), uv_faces.data(), owners.data(), colors.data(), sheet_of(atlas),
                 threads, atlas.data());
}

auto sample_atlas(const In<std::int16_t, Picture>& atlas, const In<float, Rows2>& positions,
                  int threads) {
  auto out = make<float>({positions.shape(0), 3});
  nb::gil_scoped_release release;
  tx::sample_atlas(atlas.data(), sheet_of(atlas), positions.data(), positions.shape(0), threads,
                   out.data());
  return out;
}

auto finish_page(const In<std::int16_t, Picture>& atlas, const In<std::int32_t, Plane>& owners,
                 int threads) {
  require(atlas.shape(0) == atlas.shape(1), "a page is square");
  auto out = make<std::uint8_t>({atlas.shape(0), atlas.shape(1), 3});
  nb::gil_scoped_release release;
  tx::finish_page(atlas.data(), owners.data(), static_cast<int>(atlas.shape(0)), threads,
                  out.data());
  return out;
}

auto measure_seams(const In<std::int16_t, Picture>& atlas, const In<float, Seams>& seams,
                   int threads) {
  auto out = make<float>({seams.shape(0), 2, 3});
  nb::gil_scoped_release release;
  tx::measure_seams(atlas.data(), sheet_of(atlas), seams.data(), seams.shape(0), threads,
                    out.data());
  return out;
}

auto seam_contrasts(const In<std::int16_t, Picture>& atlas, const In<float, Seams>& seams,
                    int threads) {
  auto out = make<float>({seams.shape(0)});
  nb::gil_scoped_release release;
  tx::seam_contrasts(atlas.data(), sheet_of(atlas), seams.data(), seams.shape(0), threads,
                     out.data());
  return out;
}

void level_seams(const In<float, Seams>& seams, const In<std::int32_t, Plane>& owners,
                 const In<std::int32_t, Rows1>& chart_of_face, int reach, int iterations,
                 const InOut<std::int16_t, Picture>& atlas, int threads) {
  nb::gil_scoped_release release;
  tx::level_seams(seams.data(), seams.shape(0), owners.data(), chart_of_face.data(),
                  sheet_of(atlas), reach, iterations, threads, atlas.data());
}

auto bake_normals(const In<float, Rows2>& uvs, const In<std::int32_t, Rows3>& uv_faces,
                  const In<std::int32_t, Rows1>& order, const In<std::int64_t, Rows1>& first,
                  const In<std::int32_t, Plane>& owners, const In<std::int32_t, Rows3>& faces,
                  const In<float, Rows3>& vertices, const In<float, Rows3>& normals,
                  const In<float, Rows3>& tangents, const In<float, Rows1>& signs,
                  const In<float, Rows3>& fine_vertices, const In<std::int32_t, Rows3>& fine_faces,
                  const In<float, Rows3>& fine_normals, float reach, int threads) {
  require(normals.shape(0) == vertices.shape(0), "one normal for each vertex");
  require(tangents.shape(0) == uvs.shape(0) && signs.shape(0) == uvs.shape(0),
          "one tangent and sign for each texture coordinate");
  require(fine_normals.shape(0) == fine_vertices.shape(0), "one normal for each fine vertex");
  auto out = make<std::uint8_t>({owners.shape(0), owners.shape(1), 3});
  {
    nb::gil_scoped_release release;
    tx::bake_normals(charts_of(uvs, uv_faces, order, first), owners.data(),
                     {static_cast<int>(owners.shape(1)), static_cast<int>(owners.shape(0))},
                     {normals.data(), tangents.data(), signs.data()}, faces.data(),
                     vertices.data(),
                     {fine_vertices.data(), fine_faces.data(), fine_normals.data(),
                      fine_faces.shape(0)},
                     reach, threads, out.data());
  }
  return out;
}

auto ambient_occlusion(const In<float, Rows3>& vertices, const In<std::int32_t, Rows3>& faces,
                       const In<float, Rows3>& normals, int rays, float lift, int threads) {
  require(normals.shape(0) == vertices.shape(0), "one normal for each vertex");
  auto out = make<float>({vertices.shape(0)});
  {
    nb::gil_scoped_release release;
    tx::ambient_occlusion(vertices.data(), vertices.shape(0), faces.data(), faces.shape(0),
                          normals.data(), rays, lift, threads, out.data());
  }
  return out;
}

void scale_light(const In<float, Rows2>& uvs, const In<std::int32_t, Rows3>& uv_faces,
                 const In<std::int32_t, Rows1>& order, const In<std::int64_t, Rows1>& first,
                 const In<std::int32_t, Plane>& owners, const In<float, Rows3>& factors,
                 const InOut<std::int16_t, Picture>& atlas, int threads) {
  require(uvs.shape(0) == factors.shape(0), "one factor for each texture coordinate");
  nb::gil_scoped_release release;
  tx::scale_light(charts_of(uvs, uv_faces, order, first), owners.data(), factors.data(),
                  sheet_of(atlas), threads, atlas.data());
}

double solve_spd(const In<std::int64_t, Rows1>& first, const In<std::int32_t, Rows1>& columns,
                 const In<double, Rows1>& values, const In<double, Rows3>& rhs, int iterations,
                 double tolerance, const InOut<double, Rows3>& x, int threads) {
  require(rhs.shape(0) == x.shape(0) && first.shape(0) == x.shape(0) + 1,
          "rhs and x need one row for each row of the matrix");
  nb::gil_scoped_release release;
  return tx::solve_spd(first.data(), columns.data(), values.data(), x.shape(0), rhs.data(),
                       iterations, tolerance, threads, x.data());
}

}  // namespace

NB_MODULE(_texture, module) {
  module.doc() = "Kernels of the texture stage.";
  const auto arg = [](const char* name) { return nb::arg(name); };
  module.attr("ONE") = static_cast<int>(tx::kOne);
  module.attr("WEAK") = tx::kWeak;
  module.def("draw_depth", &draw_depth, arg("pixels"), arg("depth"), arg("faces"), arg("width"),
             arg("height"), arg("threads"));
  module.def("score_faces", &score_faces, arg("photo"), arg("surface"), arg("pixels"),
             arg("depth"), arg("faces"), arg("cosines"), arg("usable").none(), arg("slack"),
             arg("rim"), arg("threads"));
  module.def("find_outliers", &find_outliers, arg("first"), arg("views"), arg("colors"),
             arg("edges"), arg("threads"));
  module.def("label_faces", &label_faces, arg("first"), arg("labels"), arg("costs"), arg("edges"),
             arg("weights"), arg("order"), arg("iterations"));
  module.def("merge_patches", &merge_patches, arg("first"), arg("labels"), arg("costs"),
             arg("edges"), arg("weights"), arg("patch_cost"), arg("chosen"));
  module.def("pack_charts", &pack_charts, arg("corners"), arg("first"), arg("size"), arg("pages"), arg("cell"),
             arg("padding"));
  module.def("draw_owners", &draw_owners, arg("uvs"), arg("uv_faces"), arg("order"), arg("first"),
             arg("border"), arg("width"), arg("height"), arg("padding"), arg("threads"));
  module.def("paint_charts", &paint_charts, arg("uvs"), arg("uv_faces"), arg("order"),
             arg("first"), arg("chosen"), arg("owners"), arg("faces"), arg("camera_points"),
             arg("intrinsics"), arg("photo"), arg("curves"), arg("weights").none(),
             arg("offsets").none(), arg("samples"), arg("padding"),
             arg("atlas"), arg("threads"));
  module.def("add_colors", &add_colors, arg("uvs"), arg("uv_faces"), arg("owners"), arg("colors"),
             arg("atlas"), arg("threads"));
  module.def("sample_atlas", &sample_atlas, arg("atlas"), arg("positions"), arg("threads"));
  module.def("finish_page", &finish_page, arg("atlas"), arg("owners"), arg("threads"));
  module.def("measure_seams", &measure_seams, arg("atlas"), arg("seams"), arg("threads"));
  module.def("seam_contrasts", &seam_contrasts, arg("atlas"), arg("seams"), arg("threads"));
  module.def("level_seams", &level_seams, arg("seams"), arg("owners"), arg("chart_of_face"),
             arg("reach"), arg("iterations"), arg("atlas"), arg("threads"));
  module.def("bake_normals", &bake_normals, arg("uvs"), arg("uv_faces"), arg("order"),
             arg("first"), arg("owners"), arg("faces"), arg("vertices"), arg("normals"),
             arg("tangents"), arg("signs"), arg("fine_vertices"), arg("fine_faces"),
             arg("fine_normals"), arg("reach"), arg("threads"));
  module.def("ambient_occlusion", &ambient_occlusion, arg("vertices"), arg("faces"),
             arg("normals"), arg("rays"), arg("lift"), arg("threads"));
  module.def("scale_light", &scale_light, arg("uvs"), arg("uv_faces"), arg("order"), arg("first"),
             arg("owners"), arg("factors"), arg("atlas"), arg("threads"));
  module.def("solve_spd", &solve_spd, arg("first"), arg("columns"), arg("values"), arg("rhs"),
             arg("iterations"), arg("tolerance"), arg("x"), arg("threads"));
}
