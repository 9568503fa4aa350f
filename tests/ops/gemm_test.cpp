#include <coppice/ops/cpu/gemm.h>

#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>
#include <cstring>
#include <limits>
#include <random>
#include <vector>

#include <coppice/core/parallel.h>

#include "tests/cases/gemm_cases.h"
#include "tests/cases/simd_targets.h"

namespace coppice {
namespace {

using cases::GemmCase;
using cpu::Transpose;

/// A matrix inside a larger array, so that leading dimensions are not sizes.
template <class T>
struct Matrix {
  Matrix(std::int64_t rows, std::int64_t columns, std::int64_t padding)
      : stride(columns + padding), elements(static_cast<std::size_t>(rows * stride), T(77)) {}
  template <class Draw>
  Matrix& fill(Draw&& draw) {
    for (T& element : elements) element = static_cast<T>(draw());
    return *this;
  }
  T at(std::int64_t i, std::int64_t j) const { return elements[static_cast<std::size_t>(i * stride + j)]; }
  std::int64_t stride;
  std::vector<T> elements;
};

template <class T>
struct Product {
  Product(const GemmCase& wanted, Transpose flip_a, Transpose flip_b)
      : size(wanted),
        ta(flip_a),
        tb(flip_b),
        a(ta == Transpose::Yes ? size.k : size.m, ta == Transpose::Yes ? size.m : size.k, 3),
        b(tb == Transpose::Yes ? size.n : size.k, tb == Transpose::Yes ? size.k : size.n, 2),
        c(size.m, size.n, 5) {}

  T left(std::int64_t i, std::int64_t p) const { return ta == Transpose::Yes ? a.at(p, i) : a.at(i, p); }
  T right(std::int64_t p, std::int64_t j) const { return tb == Transpose::Yes ? b.at(j, p) : b.at(p, j); }
  void run(bool accumulate) {
    cpu::gemm(ta, tb, size.m, size.n, size.k, a.elements.data(), a.stride, b.elements.data(), b.stride, accumulate,
              c.elements.data(), c.stride);
  }

  GemmCase size;
  Transpose ta, tb;
  Matrix<T> a, b, c;
};

constexpr Transpose kBoth[] = {Transpose::No, Transpose::Yes};

template <class T>
void expect_exact_on_small_integers() {
  std::mt19937 random(7);
  std::uniform_int_distribution<int> integer(-3, 3);
  const auto draw = [&] { return integer(random); };
  for (const GemmCase& size : cases::gemm_edges()) {
    for (const Transpose ta : kBoth) {
      for (const Transpose tb : kBoth) {
        for (const bool accumulate : {false, true}) {
          Product<T> product(size, ta, tb);
          product.a.fill(draw);
          product.b.fill(draw);
          product.c.fill(draw);
          Matrix<T> expected = product.c;
          for (std::int64_t i = 0; i < size.m; ++i) {
            for (std::int64_t j = 0; j < size.n; ++j) {
              T& sum = expected.elements[static_cast<std::size_t>(i * expected.stride + j)];
              if (!accumulate) sum = T(0);
              for (std::int64_t p = 0; p < size.k; ++p) sum += product.left(i, p) * product.right(p, j);
            }
          }
          product.run(accumulate);
          // The padding is compared too: nothing outside C may be written.
          EXPECT_EQ(product.c.elements, expected.elements) << size << " transposed " << static_cast<bool>(ta)
                                                           << static_cast<bool>(tb) << " accumulate " << accumulate;
        }
      }
    }
  }
}

TEST(Gemm, MatchesThreeLoopsExactlyOnSmallIntegersOnEveryInstructionSet) {
  cases::for_each_simd_target([](const char* target) {
    SCOPED_TRACE(target);
    expect_exact_on_small_integers<float>();
    expect_exact_on_small_integers<double>();
  });
}

TEST(Gemm, SingleAgreesWithDoubleWithinRounding) {
  std::mt19937 random(8);
  std::normal_distribution<float> normal;
  for (const GemmCase& size :
       {GemmCase{64, 100, 784}, GemmCase{1, 40, 1000}, GemmCase{40, 1, 1000}, GemmCase{40, 49, 1000}}) {
    Product<float> single(size, Transpose::No, Transpose::Yes);
    single.a.fill([&] { return normal(random); });
    single.b.fill([&] { return normal(random); });
    single.run(false);
    for (std::int64_t i = 0; i < size.m; ++i) {
      for (std::int64_t j = 0; j < size.n; ++j) {
        double sum = 0, magnitude = 0;
        for (std::int64_t p = 0; p < size.k; ++p) {
          const double term = double{single.left(i, p)} * double{single.right(p, j)};
          sum += term;
          magnitude += std::abs(term);
        }
        // c = 8: lanes and blocks of k keep partial sums short, so errors stay far below k · ε.
        EXPECT_NEAR(single.c.at(i, j), sum, 8.0 * std::numeric_limits<float>::epsilon() * magnitude) << size;
      }
    }
  }
}

TEST(Gemm, IsBitwiseTheSameForAnyNumberOfThreads) {
  std::mt19937 random(9);
  std::normal_distribution<float> normal;
  const int before = num_threads();
  for (const GemmCase& size :
       {GemmCase{64, 300, 784}, GemmCase{300, 784, 64}, GemmCase{1, 3000, 500}, GemmCase{500, 2, 700},
        GemmCase{10, 2000, 90}, GemmCase{600, 49, 700}, GemmCase{400, 450, 300}}) {
    for (const Transpose tb : kBoth) {
      Product<float> product(size, Transpose::No, tb);
      product.a.fill([&] { return normal(random); });
      product.b.fill([&] { return normal(random); });
      set_num_threads(1);
      product.run(false);
      const std::vector<float> alone = product.c.elements;
      for (const int threads : {2, 3}) {
        set_num_threads(threads);
        product.run(false);
        EXPECT_EQ(std::memcmp(product.c.elements.data(), alone.data(), alone.size() * sizeof(float)), 0)
            << size << " with " << threads << " threads";
      }
    }
  }
  set_num_threads(before);
}

TEST(Gemm, WideProductsAreThoseOfTheirParts) {
  std::mt19937 random(10);
  std::uniform_int_distribution<int> integer(-3, 3);
  Product<float> whole({130, 4510, 384}, Transpose::No, Transpose::No);
  whole.a.fill([&] { return integer(random); });
  whole.b.fill([&] { return integer(random); });
  whole.run(false);
  std::vector<float> parts(whole.c.elements.size(), 77.0f);
  constexpr std::int64_t kPart = 451;
  for (std::int64_t j = 0; j < whole.size.n; j += kPart) {
    cpu::gemm(whole.ta, whole.tb, whole.size.m, kPart, whole.size.k, whole.a.elements.data(), whole.a.stride,
              whole.b.elements.data() + j, whole.b.stride, false, parts.data() + j, whole.c.stride);
  }
  EXPECT_EQ(whole.c.elements, parts);
}

/// Packs element(line, p), which lies nowhere in memory.
template <class Element>
auto packing(Element element) {
  return [element](const cpu::GemmSlice& slice, double* packed) {
    for (std::int64_t first = 0; first < slice.count; first += slice.width) {
      for (std::int64_t p = 0; p < slice.depth; ++p) {
        for (std::int64_t line = first; line < first + slice.width; ++line) {
          *packed++ = line < slice.count ? static_cast<double>(element(slice.first + line, slice.start + p)) : 0.0;
        }
      }
    }
  };
}

TEST(Gemm, APackedOperandIsReadThroughItsFunctionOnly) {
  const auto right = [](std::int64_t j, std::int64_t p) { return (j - p) % 5; };
  for (const auto& [m, n, k] : {GemmCase{9, 37, 300}, GemmCase{150, 49, 400}, GemmCase{300, 500, 30}}) {
    Matrix<double> a(m, k, 1);
    std::int64_t next = 0;
    a.fill([&] { return next++ % 7 - 3; });
    std::vector<double> c(static_cast<std::size_t>(m * n));
    cpu::gemm_packed<double>(m, n, k, a.elements.data(), a.stride, packing(right), false, c.data(), n);
    for (std::int64_t i = 0; i < m; ++i) {
      for (std::int64_t j = 0; j < n; ++j) {
        double sum = 0;
        for (std::int64_t p = 0; p < k; ++p) sum += a.at(i, p) * static_cast<double>(right(j, p));
        ASSERT_EQ(c[static_cast<std::size_t>(i * n + j)], sum) << i << ' ' << j;
      }
    }
  }
}

template <class T>
void expect_exact_epilogues() {
  std::mt19937 random(11);
  std::uniform_int_distribution<int> integer(-3, 3);
  const auto draw = [&] { return integer(random); };
  std::vector<GemmCase> sizes = cases::gemm_edges();
  sizes.push_back({40, 450, 600});  // several blocks of k
  sizes.push_back({20, 49, 500});   // a column done as dot products
  for (const GemmCase& size : sizes) {
    for (int wanted = 0; wanted < 16; ++wanted) {
      Product<T> product(size, Transpose::No, Transpose::No);
      product.a.fill(draw);
      product.b.fill(draw);
      Matrix<T> expected = product.c;
      product.run(false);
      Matrix<T> residual(size.m, size.n, 5), row_bias(1, size.m, 0), column_bias(1, size.n, 0);
      residual.fill(draw);
      row_bias.fill(draw);
      column_bias.fill(draw);
      const cpu::GemmEpilogue<T> epilogue{.row_bias = (wanted & 1) != 0 ? row_bias.elements.data() : nullptr,
                                          .column_bias = (wanted & 2) != 0 ? column_bias.elements.data() : nullptr,
                                          .residual = (wanted & 4) != 0 ? residual.elements.data() : nullptr,
                                          .relu = (wanted & 8) != 0};
      for (std::int64_t i = 0; i < size.m; ++i) {
        for (std::int64_t j = 0; j < size.n; ++j) {
          T value = product.c.at(i, j);
          if (epilogue.row_bias != nullptr) value += row_bias.at(0, i);
          if (epilogue.column_bias != nullptr) value += column_bias.at(0, j);
          if (epilogue.residual != nullptr) value += residual.at(i, j);
          expected.elements[static_cast<std::size_t>(i * expected.stride + j)] =
              epilogue.relu ? std::max(value, T(0)) : value;
        }
      }
      cpu::gemm(product.ta, product.tb, size.m, size.n, size.k, product.a.elements.data(), product.a.stride,
                product.b.elements.data(), product.b.stride, false, product.c.elements.data(), product.c.stride,
                epilogue);
      EXPECT_EQ(product.c.elements, expected.elements) << size << " epilogue " << wanted;
    }
  }
}

TEST(Gemm, EpiloguesAreExactOnSmallIntegersOnEveryInstructionSet) {
  cases::for_each_simd_target([](const char* target) {
    SCOPED_TRACE(target);
    expect_exact_epilogues<float>();
    expect_exact_epilogues<double>();
  });
}

TEST(Gemm, AReluLeavesNan) {
  const float nan = std::numeric_limits<float>::quiet_NaN();
  for (const std::int64_t n : {1, 5, 40}) {
    std::vector<float> b(static_cast<std::size_t>(n), nan), c(4 * static_cast<std::size_t>(n));
    const std::vector<float> a(4, 1.0f);
    cpu::gemm(Transpose::No, Transpose::No, 4, n, 1, a.data(), 1, b.data(), n, false, c.data(), n, {.relu = true});
    for (const float value : c) EXPECT_TRUE(std::isnan(value)) << n;
  }
}

}  // namespace
}  // namespace coppice
