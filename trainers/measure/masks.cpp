#include <coppice/trainers/measure/masks.h>

#include <algorithm>
#include <cmath>
#include <filesystem>
#include <iterator>
#include <sstream>

#include <coppice/core/error.h>
#include <coppice/core/generator.h>
#include <coppice/core/io/pruned.h>
#include <coppice/core/io/safetensors.h>
#include <coppice/core/io/sparse_pattern.h>
#include <coppice/core/weight_state.h>

namespace coppice::train::measure {
namespace {

/// The same set over (rows, the rest).
Mask as_matrix(const Mask& mask) {
  const std::int64_t rows = mask.shape()[0];
  const Shape matrix{rows, rows == 0 ? 0 : mask.numel() / rows};
  Buffer<std::uint64_t> words(std::ssize(mask.words()));
  std::ranges::copy(mask.words(), words.data());
  return Mask::from_words(matrix, std::move(words));
}

bool is_matrix(const Tensor& tensor) { return tensor.dim() >= 2 && is_floating(tensor.dtype()); }

}  // namespace

std::vector<MaskedLayer> draw_masks(const std::string& how, const std::vector<sparsity::LayerShape>& layers,
                                    double sparsity, std::uint64_t seed) {
  COPPICE_CHECK(how == "uniform" || how == "erk", "[masks] expects uniform or erk; got '", how, "'");
  const auto distribution = how == "erk" ? sparsity::Distribution::Erk : sparsity::Distribution::Uniform;
  const sparsity::LayerDensities chosen = sparsity::layer_densities(distribution, layers, 1.0 - sparsity);
  std::vector<MaskedLayer> masks;
  for (std::size_t i = 0; i < layers.size(); ++i) {
    Generator generator = Generator::keyed(seed, layers[i].name);
    const std::int64_t alive = sparsity::alive_count(layers[i].shape.numel(), chosen.densities[i]);
    masks.push_back({layers[i].name, as_matrix(Mask::random(layers[i].shape, alive, generator))});
  }
  return masks;
}

std::vector<MaskedLayer> masks_of_file(const std::string& file) {
  const std::filesystem::path path(file);
  if (path.extension() == ".mtx" || path.extension() == ".smtx") return {{path.stem().string(), load_mask(path)}};
  std::vector<MaskedLayer> masks, zeros;
  for (const auto& [name, tensor] : join_pruned(load_safetensors(path).tensors)) {
    if (!is_matrix(tensor)) continue;
    if (tensor.layout() == Layout::Masked) {
      masks.push_back({name, as_matrix(tensor.weight_state().alive())});
    } else if (const Mask alive = Mask::from_nonzero(tensor); alive.count() < alive.numel()) {
      zeros.push_back({name, as_matrix(alive)});
    }
  }
  if (masks.empty()) masks = std::move(zeros);
  COPPICE_CHECK(!masks.empty(), "[masks] ", file,
                ": expects a Masked tensor, a pair x_orig, x_mask, or a matrix with zeros");
  return masks;
}

RowLengths row_lengths(const Mask& mask) {
  const std::int64_t rows = mask.shape()[0];
  const std::int64_t columns = rows == 0 ? 0 : mask.numel() / rows;
  RowLengths lengths;
  if (rows == 0) return lengths;
  lengths.least = columns;
  double squares = 0.0;
  for (std::int64_t row = 0; row < rows; ++row) {
    const std::int64_t end = (row + 1) * columns;
    const std::int64_t length = mask.rank(end) - mask.rank(row * columns);
    lengths.least = std::min(lengths.least, length);
    lengths.most = std::max(lengths.most, length);
    squares += static_cast<double>(length * length);
  }
  lengths.mean = static_cast<double>(mask.count()) / static_cast<double>(rows);
  const double variance = squares / static_cast<double>(rows) - lengths.mean * lengths.mean;
  if (lengths.mean > 0.0) lengths.variation = std::sqrt(std::max(0.0, variance)) / lengths.mean;
  return lengths;
}

std::string to_text(const RowLengths& lengths) {
  std::ostringstream text;
  text.precision(3);
  text << "rows " << lengths.mean << " ± " << 100.0 * lengths.variation << " %, " << lengths.least << " … "
       << lengths.most;
  return text.str();
}

}  // namespace coppice::train::measure
