#include <coppice/models/mlp.h>

#include <string>

#include <coppice/models/nn/activation.h>
#include <coppice/models/nn/flatten.h>
#include <coppice/models/nn/linear.h>

namespace coppice::models {

std::shared_ptr<nn::Sequential> mlp(const std::vector<std::int64_t>& widths, std::uint64_t seed) {
  COPPICE_CHECK(widths.size() >= 2, "[mlp] expects at least the widths of input and output; got ", widths.size());
  auto model = std::make_shared<nn::Sequential>();
  model->append("flatten", std::make_shared<nn::Flatten>());
  for (std::size_t i = 1; i < widths.size(); ++i) {
    const std::string number = std::to_string(i);
    model->append("fc" + number, std::make_shared<nn::Linear>(widths[i - 1], widths[i]));
    if (i + 1 < widths.size()) model->append("relu" + number, std::make_shared<nn::ReLU>());
  }
  nn::initialize(*model, seed);
  return model;
}

}  // namespace coppice::models
