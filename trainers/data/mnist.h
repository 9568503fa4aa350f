#pragma once

#include <filesystem>

#include <coppice/trainers/data/dataset.h>

namespace coppice::train {

/// Reads a data set laid out as MNIST is: `train-images-idx3-ubyte`, `train-labels-idx1-ubyte`,
/// `t10k-images-idx3-ubyte` and `t10k-labels-idx1-ubyte`, plain or `.gz`, in `directory` or `directory/mnist`. Any
/// number of grey images of one size, classes 0-9. Throws an error that names what was looked for and where, or which
/// file contradicts which.
COPPICE_API TrainTest load_idx_directory(const std::filesystem::path& directory);

/// The same, and throws unless it is MNIST's 60,000 + 10,000 images of 28 × 28.
COPPICE_API TrainTest mnist(const std::filesystem::path& directory);

/// Whether one of those four files is there.
COPPICE_API bool holds_idx_files(const std::filesystem::path& directory);

/// Whether these are MNIST's own images and labels in their order, whatever files they came in.
COPPICE_API bool is_original_mnist(const TrainTest& data);

/// Writes a data set in that layout, uncompressed, where load_idx_directory finds it.
COPPICE_API void save_idx_directory(const std::filesystem::path& directory, const TrainTest& data);

}  // namespace coppice::train
