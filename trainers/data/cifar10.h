#pragma once

#include <filesystem>

#include <coppice/trainers/data/dataset.h>

namespace coppice::train {

/// Reads one file of CIFAR-10's binary version, plain or gzip-compressed: records of a label 0-9 and 3 planes of
/// 32 × 32 pixels, red, green and blue. The file need not be trusted: memory is asked for once its records are counted,
/// and at most 100,000 of them are taken. Throws `[cifar10] file: …`.
/// Format: https://www.cs.toronto.edu/~kriz/cifar.html
COPPICE_API Dataset load_cifar10_file(const std::filesystem::path& file);

/// Reads CIFAR-10 from `directory`, `directory/cifar10` or `directory/cifar-10-batches-bin`: `data_batch_1.bin` …
/// `data_batch_5.bin` and `test_batch.bin`; or a part of it, one file `train*.bin` and one `test*.bin` of the same
/// records. Each is plain or `.gz`. Throws an error that names what was looked for and where.
COPPICE_API TrainTest cifar10(const std::filesystem::path& directory);

/// Whether cifar10 would find files there; they are not opened.
COPPICE_API bool holds_cifar10(const std::filesystem::path& directory);

/// Whether a data set begins with the first 4,000 images and labels of `data_batch_1.bin` as published.
COPPICE_API bool begins_as_cifar10(const Dataset& dataset);

}  // namespace coppice::train
