#include <coppice/models/mnist_cnn.h>

#include <coppice/models/nn/activation.h>
#include <coppice/models/nn/conv2d.h>
#include <coppice/models/nn/flatten.h>
#include <coppice/models/nn/linear.h>
#include <coppice/models/nn/pool.h>
#include <coppice/models/nn/sequential.h>

namespace coppice::models {

std::shared_ptr<nn::Module> mnist_cnn(MnistCnnOptions options) {
  using std::make_shared;
  const nn::Conv2dLayerOptions same{.padding = {2, 2}};
  auto features = make_shared<nn::Sequential>();
  features->append(make_shared<nn::Conv2d>(options.input_channels, 32, 5, same))
      .append(make_shared<nn::ReLU>())
      .append(make_shared<nn::MaxPool2d>(2))
      .append(make_shared<nn::Conv2d>(32, 48, 5, same))
      .append(make_shared<nn::ReLU>())
      .append(make_shared<nn::MaxPool2d>(2));
  auto classifier = make_shared<nn::Sequential>();
  classifier->append(make_shared<nn::Linear>(48 * 7 * 7, 100))
      .append(make_shared<nn::ReLU>())
      .append(make_shared<nn::Linear>(100, 100))
      .append(make_shared<nn::ReLU>())
      .append(make_shared<nn::Linear>(100, 10));
  auto model = make_shared<nn::Sequential>();
  model->append("features", features).append("flatten", make_shared<nn::Flatten>()).append("classifier", classifier);
  nn::initialize(*model, options.seed);
  return model;
}

}  // namespace coppice::models
