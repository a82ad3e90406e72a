// Real spherical harmonics up to degree 3 in the order and with the signs of Kerbl et al. 2023.
#pragma once

namespace gypsum::splats {
namespace {

constexpr float kY0 = 0.28209479177387814f;
constexpr float kY1 = 0.4886025119029199f;
constexpr float kY2[5] = {1.0925484305920792f, -1.0925484305920792f, 0.31539156525252005f,
                          -1.0925484305920792f, 0.5462742152960396f};
constexpr float kY3[7] = {-0.5900435899266435f, 2.890611442640554f, -0.4570457994644658f,
                          0.3731763325901154f,  -0.4570457994644658f, 1.445305721320277f,
                          -0.5900435899266435f};

inline void spherical_basis(const float* direction, int degree, float* basis) {
  const float x = direction[0], y = direction[1], z = direction[2];
  basis[0] = kY0;
  if (degree < 1) return;
  basis[1] = -kY1 * y;
  basis[2] = kY1 * z;
  basis[3] = -kY1 * x;
  if (degree < 2) return;
  const float xx = x * x, yy = y * y, zz = z * z;
  basis[4] = kY2[0] * x * y;
  basis[5] = kY2[1] * y * z;
  basis[6] = kY2[2] * (2 * zz - xx - yy);
  basis[7] = kY2[3] * x * z;
  basis[8] = kY2[4] * (xx - yy);
  if (degree < 3) return;
  basis[9] = kY3[0] * y * (3 * xx - yy);
  basis[10] = kY3[1] * x * y * z;
  basis[11] = kY3[2] * y * (4 * zz - xx - yy);
  basis[12] = kY3[3] * z * (2 * zz - 3 * xx - 3 * yy);
  basis[13] = kY3[4] * x * (4 * zz - xx - yy);
  basis[14] = kY3[5] * z * (xx - yy);
  basis[15] = kY3[6] * x * (xx - 3 * yy);
}

// (terms, 3) derivatives of the basis by the direction, as polynomials in space.
inline void spherical_slopes(const float* direction, int degree, float* slopes) {
  const float x = direction[0], y = direction[1], z = direction[2];
  const auto set = [slopes](int term, float by_x, float by_y, float by_z) {
    slopes[3 * term] = by_x, slopes[3 * term + 1] = by_y, slopes[3 * term + 2] = by_z;
  };
  set(0, 0, 0, 0);
  if (degree < 1) return;
  set(1, 0, -kY1, 0);
  set(2, 0, 0, kY1);
  set(3, -kY1, 0, 0);
  if (degree < 2) return;
  set(4, kY2[0] * y, kY2[0] * x, 0);
  set(5, 0, kY2[1] * z, kY2[1] * y);
  set(6, -2 * kY2[2] * x, -2 * kY2[2] * y, 4 * kY2[2] * z);
  set(7, kY2[3] * z, 0, kY2[3] * x);
  set(8, 2 * kY2[4] * x, -2 * kY2[4] * y, 0);
  if (degree < 3) return;
  const float xx = x * x, yy = y * y, zz = z * z;
  set(9, 6 * kY3[0] * x * y, 3 * kY3[0] * (xx - yy), 0);
  set(10, kY3[1] * y * z, kY3[1] * x * z, kY3[1] * x * y);
  set(11, -2 * kY3[2] * x * y, kY3[2] * (4 * zz - xx - 3 * yy), 8 * kY3[2] * y * z);
  set(12, -6 * kY3[3] * x * z, -6 * kY3[3] * y * z, kY3[3] * (6 * zz - 3 * xx - 3 * yy));
  set(13, kY3[4] * (4 * zz - 3 * xx - yy), -2 * kY3[4] * x * y, 8 * kY3[4] * x * z);
  set(14, 2 * kY3[5] * x * z, -2 * kY3[5] * y * z, kY3[5] * (xx - yy));
  set(15, 3 * kY3[6] * (xx - yy), -6 * kY3[6] * x * y, 0);
}

}  // namespace
}  // namespace gypsum::splats
