#include "shape.hpp"

#include <algorithm>
#include <cmath>
#include <vector>

namespace gypsum::cloud {
namespace {

// Unit eigenvector of the smallest eigenvalue of a symmetric matrix, and that value: Jacobi's
// rotations, which stay exact where eigenvalues are equal.
double least(double A[3][3], double* vector) {
  double V[3][3] = {{1, 0, 0}, {0, 1, 0}, {0, 0, 1}};
  for (int sweep = 0; sweep < 12; ++sweep) {
    const double off = A[0][1] * A[0][1] + A[0][2] * A[0][2] + A[1][2] * A[1][2];
    const double size = A[0][0] * A[0][0] + A[1][1] * A[1][1] + A[2][2] * A[2][2];
    if (off <= 1e-24 * size) break;
    for (int p = 0; p < 2; ++p)
      for (int q = p + 1; q < 3; ++q) {
        if (A[p][q] == 0) continue;
        const double theta = (A[q][q] - A[p][p]) / (2 * A[p][q]);
        const double t = std::copysign(1.0, theta) / (std::abs(theta) + std::sqrt(theta * theta + 1));
        const double c = 1 / std::sqrt(t * t + 1), s = t * c;
        for (int k = 0; k < 3; ++k) {
          const double a = A[k][p], b = A[k][q];
          A[k][p] = c * a - s * b;
          A[k][q] = s * a + c * b;
        }
        for (int k = 0; k < 3; ++k) {
          const double a = A[p][k], b = A[q][k];
          A[p][k] = c * a - s * b;
          A[q][k] = s * a + c * b;
        }
        for (int k = 0; k < 3; ++k) {
          const double a = V[k][p], b = V[k][q];
          V[k][p] = c * a - s * b;
          V[k][q] = s * a + c * b;
        }
      }
  }
  int smallest = 0;
  for (int k = 1; k < 3; ++k)
    if (A[k][k] < A[smallest][smallest]) smallest = k;
  for (int k = 0; k < 3; ++k) vector[k] = V[k][smallest];
  return std::max(A[smallest][smallest], 0.0);
}

}  // namespace

void shape(const Tree& tree, int k, int threads, float* distance, float* normals, float* roughness,
           float* contrast) {
  k = std::min(k, kMostNeighbours - 1);
  std::vector<std::uint32_t> lists(tree.size() * std::size_t(k + 1));
  // Stored points are taken in their order in the tree, so that neighbours' searches share memory.
#pragma omp parallel for schedule(dynamic, 1024) num_threads(threads)
  for (std::size_t place = 0; place < tree.size(); ++place) {
    Neighbour found[kMostNeighbours];
    const float* X = tree.stored(place);
    const int count = tree.nearest(X, k + 1, found);
    double sum[3] = {0, 0, 0}, products[6] = {0, 0, 0, 0, 0, 0}, away = 0;
    for (int n = 0; n < count; ++n) {
      const float* P = tree.source(found[n].point);
      const double d[3] = {double(P[0]) - X[0], double(P[1]) - X[1], double(P[2]) - X[2]};
      away += std::sqrt(double(found[n].squared));
      lists[place * std::size_t(k + 1) + n] = found[n].point;
      for (int i = 0, m = 0; i < 3; ++i) {
        sum[i] += d[i];
        for (int j = i; j < 3; ++j) products[m++] += d[i] * d[j];
      }
    }
    double A[3][3], normal[3];
    for (int i = 0, m = 0; i < 3; ++i)
      for (int j = i; j < 3; ++j, ++m)
        A[i][j] = A[j][i] = products[m] / count - sum[i] * sum[j] / (double(count) * count);
    const double smallest = least(A, normal);
    const std::size_t row = tree.given(place);
    distance[row] = count > 1 ? float(away / (count - 1)) : 0.0f;
    for (int i = 0; i < 3; ++i) normals[3 * row + i] = float(normal[i]);
    roughness[row] = float(std::sqrt(smallest));
  }
  const int count = int(std::min<std::size_t>(tree.size(), k + 1));
#pragma omp parallel for schedule(static) num_threads(threads)
  for (std::size_t place = 0; place < tree.size(); ++place) {
    double theirs = 0;
    for (int n = 0; n < count; ++n) theirs += distance[lists[place * std::size_t(k + 1) + n]];
    const std::size_t row = tree.given(place);
    contrast[row] = theirs > 0 ? float(distance[row] * count / theirs) : 1.0f;
  }
}

}  // namespace gypsum::cloud
