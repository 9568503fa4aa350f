#pragma once

#include <string>
#include <vector>

#include "bench/report/race.h"

namespace coppice::bench {

/// A part of the page that is measured, and kept in a file, apart.
struct Group {
  const char* key;    ///< `--only` takes it; the file is <key>.csv
  const char* title;  ///< of the section
  const char* about;  ///< what is compared, in a sentence or two
  /// Measures all rows that need the bench's number of threads.
  std::vector<Row> (*measure)(Bench& bench);
  bool two_threads;  ///< measured with one thread and with two
};

const std::vector<Group>& groups();

// groups_dense.cpp
std::vector<Row> measure_products(Bench& bench);
std::vector<Row> measure_tails(Bench& bench);
std::vector<Row> measure_resnet50_layers(Bench& bench);
std::vector<Row> measure_resnet18_layers(Bench& bench);
// groups_sparse.cpp
std::vector<Row> measure_sparse_products(Bench& bench);
std::vector<Row> measure_block_products(Bench& bench);
std::vector<Row> measure_sparse_layers(Bench& bench);
std::vector<Row> measure_break_even(Bench& bench);
// groups_networks.cpp
std::vector<Row> measure_inference(Bench& bench);
std::vector<Row> measure_training(Bench& bench);
std::vector<Row> measure_steps(Bench& bench);
// groups_memory.cpp
std::vector<Row> measure_bandwidth(Bench& bench);
std::vector<Row> measure_optimizer(Bench& bench);
std::vector<Row> measure_small_ops(Bench& bench);
std::vector<Row> measure_size(Bench& bench);
std::vector<Row> measure_threads(Bench& bench);

}  // namespace coppice::bench
