#include <map>
#include <string>

#include <gtest/gtest.h>

#include <coppice/ops/einsum.h>
#include <coppice/ops/matmul.h>

#include "tests/ops/op_testing.h"

namespace coppice {
namespace {

using testing::check_gradients;
using testing::element_at;
using testing::expect_same_for_any_threads;
using testing::leaf;
using testing::normal;
using testing::small_integers;

/// The sum by its definition over all values of all letters; of letters alone, with an output.
void expect_by_definition(const std::string& equation, const std::vector<Tensor>& operands) {
  const std::size_t arrow = equation.find("->"), comma = equation.find(',');
  const std::string output = equation.substr(arrow + 2);
  std::vector<std::string> terms = {equation.substr(0, std::min(comma, arrow))};
  if (operands.size() == 2) terms.push_back(equation.substr(comma + 1, arrow - comma - 1));
  std::map<char, std::int64_t> sizes;
  for (std::size_t t = 0; t < terms.size(); ++t) {
    for (std::size_t i = 0; i < terms[t].size(); ++i) {
      const std::int64_t size = operands[t].size(static_cast<int>(i));
      const auto [place, added] = sizes.try_emplace(terms[t][i], size);
      if (!added && place->second == 1) place->second = size;
    }
  }
  Shape all, shape;
  std::string letters;
  for (const auto& [letter, size] : sizes) {
    letters += letter;
    all.push_back(size);
  }
  for (const char letter : output) shape.push_back(sizes.at(letter));
  std::map<std::vector<std::int64_t>, double> expected;
  const auto pick = [&](const std::string& term, const std::vector<std::int64_t>& index) {
    std::vector<std::int64_t> picked;
    for (const char letter : term) picked.push_back(index[letters.find(letter)]);
    return picked;
  };
  testing::for_each_index(all, [&](const std::vector<std::int64_t>& index) {
    double product = 1.0;
    for (std::size_t t = 0; t < terms.size(); ++t) product *= element_at(operands[t], pick(terms[t], index));
    expected[pick(output, index)] += product;
  });
  const Tensor result = einsum(equation, operands);
  ASSERT_EQ(result.shape(), shape) << equation;
  testing::for_each_index(shape, [&](const std::vector<std::int64_t>& index) {
    EXPECT_EQ(element_at(result, index), expected[index]) << equation;
  });
}

TEST(Einsum, SumsByDefinition) {
  const auto x = [](const Shape& shape, std::uint64_t seed) { return small_integers(shape, seed, kFloat64); };
  expect_by_definition("ij->ji", {x({3, 4}, 1)});
  expect_by_definition("ii->i", {x({4, 4}, 2)});
  expect_by_definition("ii->", {x({4, 4}, 2)});
  expect_by_definition("iji->j", {x({3, 2, 3}, 3)});
  expect_by_definition("iiij->ji", {x({3, 3, 3, 2}, 4)});
  expect_by_definition("ij->", {x({3, 4}, 5)});
  expect_by_definition("i,i->", {x({5}, 1), x({5}, 2)});
  expect_by_definition("i,j->ji", {x({5}, 1), x({3}, 2)});
  expect_by_definition("bij,bjk->bik", {x({2, 3, 4}, 1), x({2, 4, 5}, 2)});
  expect_by_definition("bij,kjb->kib", {x({2, 3, 4}, 1), x({5, 4, 2}, 2)});
  expect_by_definition("bhqd,bhkd->bhqk", {x({2, 3, 4, 5}, 1), x({2, 3, 6, 5}, 2)});
  expect_by_definition("abcd,cbe->dea", {x({2, 3, 4, 5}, 1), x({4, 3, 2}, 2)});
  expect_by_definition("ij,ij->ij", {x({3, 4}, 1), x({3, 4}, 2)});
  expect_by_definition("ij,ij->i", {x({3, 4}, 1), x({3, 4}, 2)});
  expect_by_definition("ijk,lm->kl", {x({2, 3, 4}, 1), x({3, 2}, 2)});
  expect_by_definition("iij,jkk->ik", {x({3, 3, 2}, 1), x({2, 4, 4}, 2)});
  expect_by_definition("ij,jk->ik", {x({4, 3}, 1).t(), x({4, 5}, 2)});
  expect_by_definition("bij,bjk->bik", {x({1, 3, 4}, 1), x({2, 4, 5}, 2)});
  expect_by_definition("ij,jk->ik", {x({3, 1}, 1), x({4, 5}, 2)});
  expect_by_definition("ij,jk->ik", {x({3, 4}, 1), x({1, 5}, 2)});
  expect_by_definition("ij,jk->ik", {x({0, 4}, 1), x({4, 5}, 2)});
  expect_by_definition("ij,jk->ik", {x({3, 0}, 1), x({0, 5}, 2)});
  expect_by_definition(",i->i", {x({}, 1), x({3}, 2)});
}

TEST(Einsum, UnderstandsDotsAndImpliedOutputs) {
  const Tensor a = small_integers({2, 3, 4}, 1), b = small_integers({4, 5}, 2), c = small_integers({3, 2, 5, 4}, 3);
  EXPECT_TRUE(bit_equal(einsum("...ij,jk->...ik", {a, b}), einsum("bij,jk->bik", {a, b})));
  EXPECT_TRUE(bit_equal(einsum("... i j , ... k j", {a, c}), einsum("bij,abkj->abik", {a, c})));
  EXPECT_TRUE(bit_equal(einsum("...j,...j->...", {small_integers({2, 1, 4}, 4), a}),
                        einsum("abj,abj->ab", {small_integers({2, 1, 4}, 4), a})));
  EXPECT_TRUE(bit_equal(einsum("...j->j", {a}), einsum("abj->j", {a})));
  EXPECT_TRUE(bit_equal(einsum("ba", {b}), b.t().contiguous()));
  EXPECT_TRUE(bit_equal(einsum("aB", {b}), b.t().contiguous()));
  EXPECT_TRUE(bit_equal(einsum("ij,jk", {b.t(), b}), matmul(b.t(), b)));
  EXPECT_TRUE(bit_equal(bmm(a, a.transpose(1, 2)), matmul(a, a.transpose(1, 2))));
}

TEST(Einsum, HasGradients) {
  const auto with = [](const char* equation) {
    return [equation](const std::vector<Tensor>& x) { return einsum(equation, x); };
  };
  check_gradients(with("bij,bjk->kib"), {leaf({2, 3, 2}, 1), leaf({2, 2, 3}, 2)});
  check_gradients(with("iij,...j->...i"), {leaf({2, 2, 3}, 1), leaf({2, 1, 3}, 2)});
  check_gradients(with("ij,jk->k"), {leaf({2, 1}, 1), leaf({3, 2}, 2)});
  check_gradients(with("iij->j"), {leaf({2, 2, 3}, 1)});
  check_gradients([](const std::vector<Tensor>& x) { return bmm(x[0], x[1]); },
                  {leaf({2, 3, 2}, 1), leaf({2, 2, 1}, 2)});
}

TEST(Einsum, IsTheSameForAnyThreads) {
  const Tensor a = normal({6, 40, 30}, 1), b = normal({6, 30, 50}, 2);
  expect_same_for_any_threads([&] { return einsum("bij,bjk->ikb", {a, b}).contiguous(); });
}

TEST(Einsum, NamesWhatDoesNotFit) {
  const Tensor a = normal({2, 3}, 1), b = normal({4, 5}, 2);
  const auto error = [](const char* equation, const std::vector<Tensor>& x) {
    return error_of([&] { einsum(equation, x); });
  };
  const auto expect_words = [](const std::string& message, std::initializer_list<const char*> words) {
    for (const char* word : words) EXPECT_NE(message.find(word), std::string::npos) << message << " lacks " << word;
  };
  expect_words(error("ij,jk->ik", {a, b}), {"[einsum]", "sizes 3 and 4", "(2, 3)", "(4, 5)"});
  expect_words(error("ijk,jk->ik", {a, b}), {"[einsum]", "\"ijk\" names 3", "(2, 3)", "(4, 5)"});
  expect_words(error("ii->i", {a}), {"twice", "2 and 3", "(2, 3)"});
  expect_words(error("ij->k", {a}), {"'k', which no operand has"});
  expect_words(error("ij->ii", {a}), {"names 'i' twice"});
  expect_words(error("ij", {a, b}), {"one term per operand"});
  expect_words(error("ij,jk,kl", {a, b}), {"one term per operand"});
  expect_words(error("i1,jk", {a, b}), {"names 1 dimension"});
  expect_words(error("i....", {a}), {"at most one"});
  expect_words(error("ij,jk", {a, b.to(kFloat64)}), {"one dtype", "(2, 3)", "(4, 5)"});
  expect_words(error("", {}), {"one or two operands"});
  expect_words(error_of([&] { bmm(a, b); }), {"[bmm]", "(2, 3)", "(4, 5)"});
}

}  // namespace
}  // namespace coppice
