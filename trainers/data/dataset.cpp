#include <coppice/trainers/data/dataset.h>

#include <algorithm>
#include <sstream>

#include <coppice/core/generator.h>
#include <coppice/trainers/data/sha256.h>

namespace coppice::train {

std::string digest(const Dataset& dataset) {
  std::ostringstream text;
  text << dataset.images.shape() << ' '
       << sha256(dataset.labels.raw_data(), static_cast<std::size_t>(dataset.labels.nbytes())) << ' '
       << sha256(dataset.images.raw_data(), static_cast<std::size_t>(dataset.images.nbytes()));
  return sha256(text.str().data(), text.str().size());
}

Split split(std::int64_t count, std::int64_t validation, std::uint64_t seed) {
  COPPICE_CHECK(validation >= 0 && validation <= count, "[split] expects 0 <= validation <= ", count, "; got ",
                validation);
  const std::vector<std::int64_t> order = Generator::keyed(seed, "split").permutation(count);
  Split parts;
  parts.validation.assign(order.begin(), order.begin() + validation);
  parts.train.assign(order.begin() + validation, order.end());
  std::sort(parts.validation.begin(), parts.validation.end());
  std::sort(parts.train.begin(), parts.train.end());
  return parts;
}

}  // namespace coppice::train
