#include <algorithm>
#include <array>
#include <string_view>

#include <coppice/core/mask.h>
#include <coppice/core/weight_state.h>
#include <coppice/trainers/inspect/inspect.h>

namespace coppice::train {
namespace {

/// The fraction alive in each cell of a grid laid over a mask.
struct Grid {
  std::string name{};
  std::int64_t rows = 0;
  std::int64_t columns = 0;
  std::vector<double> density{};
};

bool is_matrix(const InspectedTensor& entry) { return entry.tensor.dim() >= 2 && entry.numel() > 0; }

/// At most `most_rows` × `most_columns` cells.
Grid lay_out(const InspectedTensor& entry, std::int64_t most_rows, std::int64_t most_columns) {
  const Mask alive = entry.tensor.is_masked() ? entry.tensor.weight_state().alive() : Mask::from_nonzero(entry.tensor);
  const std::int64_t height = entry.shape[0];
  const std::int64_t width = entry.numel() / height;
  Grid grid{.name = entry.name, .rows = std::min(height, most_rows), .columns = std::min(width, most_columns)};
  std::vector<std::int64_t> counts(static_cast<std::size_t>(grid.rows * grid.columns));
  const auto cell = [&](std::int64_t y, std::int64_t x) {
    return static_cast<std::size_t>(y * grid.rows / height * grid.columns + x * grid.columns / width);
  };
  alive.for_each([&](std::int64_t position, std::int64_t) { ++counts[cell(position / width, position % width)]; });
  // Cell i covers the positions p with p · cells / size = i, rounded down.
  const auto first = [](std::int64_t index, std::int64_t cells, std::int64_t size) {
    return (index * size + cells - 1) / cells;
  };
  for (std::int64_t y = 0; y < grid.rows; ++y) {
    const std::int64_t down = first(y + 1, grid.rows, height) - first(y, grid.rows, height);
    for (std::int64_t x = 0; x < grid.columns; ++x) {
      const std::int64_t across = first(x + 1, grid.columns, width) - first(x, grid.columns, width);
      grid.density.push_back(static_cast<double>(counts[grid.density.size()]) / static_cast<double>(down * across));
    }
  }
  return grid;
}

std::vector<Grid> grids_of(const Inspection& inspection, std::int64_t most_rows, std::int64_t most_columns) {
  const bool any_masked =
      std::ranges::any_of(inspection.tensors, [](const auto& entry) { return entry.tensor.is_masked(); });
  std::vector<Grid> grids;
  for (const InspectedTensor& entry : inspection.tensors) {
    const bool sparse = any_masked ? entry.tensor.is_masked() : entry.alive < entry.numel();
    if (sparse && is_matrix(entry)) grids.push_back(lay_out(entry, most_rows, most_columns));
  }
  COPPICE_CHECK(!grids.empty(), "[inspect] ", inspection.file,
                ": a picture expects a sparse tensor of two dimensions or more; there is none");
  return grids;
}

}  // namespace

Tensor mask_picture(const Inspection& inspection) {
  constexpr std::int64_t kLargest = 1024;
  constexpr std::int64_t kWanted = 192;  // smaller masks are enlarged towards it
  constexpr std::int64_t kGap = 6;
  constexpr std::uint8_t kBackground = 208;
  const std::vector<Grid> grids = grids_of(inspection, kLargest, kLargest);
  const auto zoom = [](const Grid& grid) {
    return std::clamp<std::int64_t>(kWanted / std::max(grid.rows, grid.columns), 1, 8);
  };
  std::int64_t height = kGap;
  std::int64_t width = 0;
  for (const Grid& grid : grids) {
    height += grid.rows * zoom(grid) + kGap;
    width = std::max(width, grid.columns * zoom(grid) + 2 * kGap);
  }
  const Tensor picture = Tensor::full({height, width}, kBackground, {.dtype = kUInt8});
  std::uint8_t* row = picture.data<std::uint8_t>() + kGap * width;
  for (const Grid& grid : grids) {
    const std::int64_t factor = zoom(grid);
    for (std::int64_t y = 0; y < grid.rows * factor; ++y, row += width) {
      for (std::int64_t x = 0; x < grid.columns * factor; ++x) {
        const double density = grid.density[static_cast<std::size_t>(y / factor * grid.columns + x / factor)];
        row[kGap + x] = static_cast<std::uint8_t>(255.0 * (1.0 - density) + 0.5);
      }
    }
    row += kGap * width;
  }
  return picture;
}

std::string mask_text(const Inspection& inspection, int columns) {
  constexpr std::array<std::string_view, 5> kShades{" ", "░", "▒", "▓", "█"};
  std::string text;
  for (const Grid& grid : grids_of(inspection, std::max(1, columns / 4), std::max(1, columns))) {
    (text += grid.name) += '\n';
    const double densest = *std::ranges::max_element(grid.density);
    for (std::int64_t y = 0; y < grid.rows; ++y) {
      text += "  ";
      for (std::int64_t x = 0; x < grid.columns; ++x) {
        const double density = grid.density[static_cast<std::size_t>(y * grid.columns + x)];
        const double share = densest > 0 ? density / densest : 0.0;
        text += kShades[static_cast<std::size_t>(share * 4 + 0.999)];
      }
      text += '\n';
    }
  }
  return text;
}

}  // namespace coppice::train
