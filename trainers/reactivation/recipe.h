#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include <coppice/core/export.h>
#include <coppice/sparsity/policy.h>

namespace coppice::train::reactivation {

/// How a row of the table comes about.
enum class Kind : std::uint8_t {
  Dense,         ///< the network as it is
  SmallDense,    ///< the network narrowed to as many weights as the sparse ones keep
  Sparse,        ///< trained by a mask policy
  EqualFlops,    ///< as Sparse, for as many steps as it takes to use the training FLOPs of `iee`
  EqualSeconds,  ///< as Sparse, for as many steps as fit into the processor seconds `iee` took: depends on the machine
};

/// Whether a row of this kind is `rigl` trained longer, until it has cost as much as `iee`.
constexpr bool is_stretched(Kind kind) { return kind == Kind::EqualFlops || kind == Kind::EqualSeconds; }

/// One row of the table, as data.
struct Method {
  std::string name{};
  Kind kind = Kind::Sparse;
  std::string preset{};       ///< of sparsity/policy.h, for Sparse and stretched rows
  std::string explanation{};  ///< one line for the reader of the table
  /// Fields of the policy that differ from what policy() makes of the preset.
  std::vector<std::pair<std::string, std::string>> settings{};

  /// Whether a mask policy trains the row.
  bool has_policy() const { return kind != Kind::Dense && kind != Kind::SmallDense; }
};

/// All rows, in the order of the table.
COPPICE_API const std::vector<Method>& methods();
/// The same and a user's rows after them. Throws `[reactivation] …` where a name is taken.
COPPICE_API std::vector<Method> methods_with(const std::vector<Method>& added);
/// The row of that name. Throws `[reactivation] …` listing the names.
COPPICE_API const Method& method(std::string_view name);

/// Two rows that the paper, or what it builds on, puts in an order.
struct Claim {
  std::string better{};
  std::string worse{};
  std::string relation{};   ///< `>=`, `>`, `>>` (by more than noise), or `vs` (not claimed, shown for fairness)
  std::string published{};  ///< the difference that was published
};
COPPICE_API const std::vector<Claim>& claims();

/// What all rows share.
struct Training {
  std::string dataset{};  ///< `digits` or `mnist`
  std::vector<std::int64_t> widths = {784, 300, 100, 10};
  std::int64_t steps = 0;
  std::int64_t batch_size = 64;
  double learning_rate = 0.1;  ///< falls to 0 by half a cosine
  double momentum = 0.9;
  double weight_decay = 5e-4;     ///< on weights, not on biases
  std::int64_t train_images = 0;  ///< how many digits are made, validation part included; of `digits` only
  std::int64_t test_images = 0;   ///< likewise
  std::int64_t validation_images = 0;
  std::vector<double> sparsities = {0.90, 0.95, 0.98, 0.99};
  int seeds = 5;

  /// `784-300-100-10`
  std::string network() const;
  /// What is common to all rows, by name.
  std::vector<std::pair<std::string, std::string>> to_pairs() const;
};

/// The setting of a scale, `quick` or `small`. Throws `[reactivation] …` on another name.
COPPICE_API Training training(std::string_view scale);

/// Steps of each of the phases H, J and Q: a sixtieth of the training, never below a hundredth of it, and at least 50
/// where that is no more than a fortieth.
COPPICE_API std::int64_t phase_steps(std::int64_t steps);

/// The policy of a row at a density: its preset with times scaled to a training of `steps`, then its settings. A
/// stretched row keeps the update interval of the training it stretches.
COPPICE_API sparsity::MaskPolicy policy(const Method& method, double density, std::int64_t steps);

/// Weights of a fully connected network, biases apart.
COPPICE_API std::int64_t count_weights(const std::vector<std::int64_t>& widths);

/// Widths of a network of two hidden layers with at most `weights` weights, biases apart: of those that miss at most
/// 2 % of them, the one whose hidden layers keep the proportion of `widths` best.
COPPICE_API std::vector<std::int64_t> narrowed(const std::vector<std::int64_t>& widths, std::int64_t weights);

}  // namespace coppice::train::reactivation
