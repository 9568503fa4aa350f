#include <coppice/core/remap.h>

#include <gtest/gtest.h>

#include <cstdint>
#include <utility>
#include <vector>

#include <coppice/core/generator.h>
#include <coppice/core/parallel.h>

namespace coppice {
namespace {

/// Position by position: what was packed over `from` and still is wanted, else `fill`.
template <class T>
std::vector<T> moved_one_by_one(const std::vector<T>& packed, const Mask& from, const Mask& to, T fill) {
  std::vector<T> moved;
  std::size_t slot = 0;
  for (std::int64_t position = 0; position < from.numel(); ++position) {
    const bool had = from.test(position);
    if (to.test(position)) moved.push_back(had ? packed[slot] : fill);
    slot += had ? 1 : 0;
  }
  return moved;
}

/// Sets that lie in each other, apart, or across; whole words and blocks of words that stay, and that do not.
std::vector<std::pair<Mask, Mask>> moves_of(const Shape& shape, Generator& generator) {
  const std::int64_t numel = shape.numel();
  const Mask few = Mask::random(shape, numel / 10, generator), many = Mask::random(shape, numel * 9 / 10, generator);
  const Mask all = Mask::all(shape), none = Mask::none(shape), one = Mask::random(shape, numel > 0 ? 1 : 0, generator);
  return {{few, many}, {many, few}, {few, few},  {few, few - one}, {few - many, few},
          {few, ~few}, {all, few},  {few, all},  {all, all - one}, {all - one, all},
          {none, few}, {few, none}, {all, none}, {none, none},     {all, all}};
}

template <class T>
class RemapAll : public testing::Test {};
using ValueTypes = testing::Types<float, double>;
TYPED_TEST_SUITE(RemapAll, ValueTypes);

TYPED_TEST(RemapAll, MovesEveryVectorAsOneByOneForAnyNumberOfThreads) {
  const int threads = num_threads();
  Generator generator(5);
  for (const Shape& shape : {Shape{0}, Shape{1}, Shape{63}, Shape{64}, Shape{5, 205}, Shape{1024}, Shape{40'003}}) {
    for (const auto& [from, to] : moves_of(shape, generator)) {
      std::vector<std::vector<TypeParam>> packed(3);
      std::vector<Tensor> vectors;
      for (std::vector<TypeParam>& values : packed) {
        for (std::int64_t i = 0; i < from.count(); ++i) values.push_back(static_cast<TypeParam>(generator.normal()));
        vectors.push_back(Tensor::of(values, Shape{from.count()}));
      }
      for (const int used : {1, 2, 3}) {
        set_num_threads(used);
        const std::vector<Tensor> moved = detail::remap_all(vectors, from, to, 0.25);
        ASSERT_EQ(moved.size(), vectors.size());
        for (std::size_t v = 0; v < moved.size(); ++v) {
          EXPECT_EQ(moved[v].template to_vector<TypeParam>(),
                    moved_one_by_one(packed[v], from, to, static_cast<TypeParam>(0.25)))
              << from << " to " << to << ", vector " << v << ", " << used << " threads";
        }
      }
    }
  }
  set_num_threads(threads);
}

TEST(RemapAllOfNone, IsNone) { EXPECT_TRUE(detail::remap_all({}, Mask::all({3}), Mask::none({3})).empty()); }

}  // namespace
}  // namespace coppice
