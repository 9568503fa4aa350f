#include <coppice/models/resnet.h>

#include <cmath>
#include <set>
#include <span>
#include <string>
#include <vector>

#include <gtest/gtest.h>

#include <coppice/autograd/grad_mode.h>
#include <coppice/core/generator.h>
#include <coppice/core/mask.h>
#include <coppice/models/nn/prunable.h>
#include <coppice/models/nn/summary.h>
#include <coppice/ops/cross_entropy.h>
#include <coppice/ops/elementwise.h>
#include <coppice/ops/memory_format.h>
#include <coppice/ops/reduce.h>
#include <coppice/sparsity/controller.h>

#include "tests/error_of.h"

namespace coppice::models {
namespace {

TEST(ResNet, HasTorchvisionsParameterCounts) {
  const ResNetOptions undrawn{.draw = false};
  EXPECT_EQ(resnet18(undrawn)->parameter_count(), 11689512);
  EXPECT_EQ(resnet34(undrawn)->parameter_count(), 21797672);
  EXPECT_EQ(resnet50(undrawn)->parameter_count(), 25557032);
  EXPECT_EQ(resnet101(undrawn)->parameter_count(), 44549160);
  EXPECT_EQ(resnet152(undrawn)->parameter_count(), 60192808);
  EXPECT_EQ(resnet18({.num_classes = 10, .draw = false})->parameter_count(), 11689512 - 990 * 513);
}

TEST(ResNet, HasTheParameterCountsUsualOnCifar) {
  EXPECT_EQ(resnet18({.num_classes = 10, .stem = ResNetStem::Small, .draw = false})->parameter_count(), 11173962);
  // He et al.'s 0.27, 0.46 and 0.85 million, and 2752 of the two projections.
  EXPECT_EQ(resnet20({.draw = false})->parameter_count(), 269722 + 2752);
  EXPECT_EQ(resnet32({.draw = false})->parameter_count(), 464154 + 2752);
  EXPECT_EQ(resnet56({.draw = false})->parameter_count(), 853018 + 2752);
  const nn::Summary result = nn::summary(*resnet20(), {1, 3, 32, 32});
  EXPECT_EQ(result.total.output_shape, (Shape{1, 10}));
  EXPECT_EQ(result.total.dense_macs, 40551040 + 2 * 16 * 16 * 16 * 32);
}

TEST(ResNet, HasTorchvisionsMultiplyAccumulates) {
  const auto model = resnet18();
  const nn::Summary result = nn::summary(*model, {1, 3, 224, 224});
  EXPECT_EQ(result.total.output_shape, (Shape{1, 1000}));
  EXPECT_EQ(result.total.dense_macs, 1814073344);  // 1.81 G, as torchvision documents
}

/// The names in `state_dict()` that begin with a prefix, in order.
std::vector<std::string> names_of(const nn::Module& model, const std::string& prefix) {
  std::vector<std::string> names;
  for (const nn::NamedTensor& entry : model.state_dict()) {
    if (entry.name.starts_with(prefix)) names.push_back(entry.name.substr(prefix.size()));
  }
  return names;
}

TEST(ResNet, NamesParametersAsTorchvision) {
  const auto model = resnet(ResNetBlock::Bottleneck, {1, 1, 1, 2}, {.num_classes = 5, .width = 2});
  EXPECT_EQ(names_of(*model, "fc."), (std::vector<std::string>{"weight", "bias"}));
  EXPECT_EQ(names_of(*model, "conv1."), (std::vector<std::string>{"weight"}));
  const std::set<std::string> expected{"conv1.weight",     "bn1.weight",      "bn1.bias",
                                       "conv2.weight",     "bn2.weight",      "bn2.bias",
                                       "conv3.weight",     "bn3.weight",      "bn3.bias",
                                       "bn1.running_mean", "bn1.running_var", "bn1.num_batches_tracked",
                                       "bn2.running_mean", "bn2.running_var", "bn2.num_batches_tracked",
                                       "bn3.running_mean", "bn3.running_var", "bn3.num_batches_tracked"};
  const std::vector<std::string> second = names_of(*model, "layer4.1.");
  EXPECT_EQ(std::set<std::string>(second.begin(), second.end()), expected);
  EXPECT_EQ(second.size(), expected.size());
  EXPECT_EQ(names_of(*model, "layer1.0.").size(), expected.size() + 6);  // its width changes
  EXPECT_EQ(model->parameter("layer4.0.downsample.0.weight").shape(), (Shape{64, 32, 1, 1}));
  EXPECT_EQ(model->parameter("layer4.0.conv2.weight").shape(), (Shape{16, 16, 3, 3}));
  const auto basic = resnet(ResNetBlock::Basic, {1, 1, 1, 1}, {.width = 2});
  EXPECT_TRUE(names_of(*basic, "layer1.0.downsample").empty());
  EXPECT_EQ(basic->parameter("layer2.0.downsample.0.weight").shape(), (Shape{4, 2, 1, 1}));
  EXPECT_EQ(nn::prunable(*basic).front().name, "conv1.weight");
  EXPECT_EQ(nn::prunable(*basic).back().name, "fc.weight");
}

/// Plain loops over (c, h, w) in double; shares nothing with the engine but the weights it is given.
struct Plane {
  std::int64_t c = 0, h = 0, w = 0;
  std::vector<double> x{};
  double at(std::int64_t i, std::int64_t y, std::int64_t z) const {
    if (y < 0 || y >= h || z < 0 || z >= w) return 0.0;
    return x[static_cast<std::size_t>((i * h + y) * w + z)];
  }
};

class Reference {
 public:
  explicit Reference(const nn::StateDict& state) : state_(state) {}

  std::vector<double> logits(const Plane& image, ResNetBlock kind, std::span<const std::int64_t> blocks,
                             bool large) const {
    Plane x = relu(conv_norm(image, "conv1", "bn1", large ? 2 : 1));
    if (large) x = max_pool(x);
    for (std::size_t stage = 0; stage < blocks.size(); ++stage) {
      for (std::int64_t b = 0; b < blocks[stage]; ++b) {
        const std::string name = "layer" + std::to_string(stage + 1) + '.' + std::to_string(b) + '.';
        const std::int64_t stride = stage > 0 && b == 0 ? 2 : 1;
        Plane y;
        if (kind == ResNetBlock::Basic) {
          y = conv_norm(relu(conv_norm(x, name + "conv1", name + "bn1", stride)), name + "conv2", name + "bn2", 1);
        } else {
          y = relu(conv_norm(x, name + "conv1", name + "bn1", 1));
          y = relu(conv_norm(y, name + "conv2", name + "bn2", stride));
          y = conv_norm(y, name + "conv3", name + "bn3", 1);
        }
        if (state_.contains(name + "downsample.0.weight")) {
          x = conv_norm(x, name + "downsample.0", name + "downsample.1", stride);
        }
        for (std::size_t i = 0; i < y.x.size(); ++i) y.x[i] += x.x[i];
        x = relu(y);
      }
    }
    const std::vector<float> weight = state_.at("fc.weight").to_vector<float>();
    std::vector<float> bias = state_.at("fc.bias").to_vector<float>();
    std::vector<double> result(bias.begin(), bias.end());
    const auto pixels = static_cast<std::size_t>(x.h * x.w);
    for (std::size_t k = 0; k < result.size(); ++k)
      for (std::size_t i = 0; i < x.x.size(); ++i) {
        const std::size_t channel = i / pixels;
        result[k] += static_cast<double>(weight[k * static_cast<std::size_t>(x.c) + channel]) * x.x[i] /
                     static_cast<double>(pixels);
      }
    return result;
  }

 private:
  const nn::StateDict& state_;

  static Plane relu(Plane x) {
    for (double& v : x.x) v = v > 0 ? v : 0;
    return x;
  }
  static Plane max_pool(const Plane& x) {
    Plane y{.c = x.c, .h = (x.h - 1) / 2 + 1, .w = (x.w - 1) / 2 + 1};
    for (std::int64_t i = 0; i < y.c; ++i)
      for (std::int64_t r = 0; r < y.h; ++r)
        for (std::int64_t s = 0; s < y.w; ++s) {
          double most = 0.0;  // after a ReLU, the padding cannot win
          for (std::int64_t a = -1; a <= 1; ++a)
            for (std::int64_t b = -1; b <= 1; ++b) most = std::max(most, x.at(i, 2 * r + a, 2 * s + b));
          y.x.push_back(most);
        }
    return y;
  }
  /// Padded by half the kernel, then batch norm by running statistics.
  Plane conv_norm(const Plane& x, const std::string& conv, const std::string& norm, std::int64_t stride) const {
    const Tensor& tensor = state_.at(conv + ".weight");
    const std::int64_t out = tensor.size(0), kernel = tensor.size(2), pad = kernel / 2;
    const std::vector<float> weight = tensor.to_vector<float>();
    const auto value = [&](const char* name, std::int64_t c) {
      return static_cast<double>(state_.at(norm + name).to_vector<float>()[static_cast<std::size_t>(c)]);
    };
    Plane y{.c = out, .h = (x.h + 2 * pad - kernel) / stride + 1, .w = (x.w + 2 * pad - kernel) / stride + 1};
    for (std::int64_t m = 0; m < out; ++m) {
      const double scale = value(".weight", m) / std::sqrt(value(".running_var", m) + 1e-5);
      const double shift = value(".bias", m) - scale * value(".running_mean", m);
      for (std::int64_t r = 0; r < y.h; ++r)
        for (std::int64_t s = 0; s < y.w; ++s) {
          double sum = 0.0;
          std::size_t k = static_cast<std::size_t>(m * x.c * kernel * kernel);
          for (std::int64_t i = 0; i < x.c; ++i)
            for (std::int64_t a = 0; a < kernel; ++a)
              for (std::int64_t b = 0; b < kernel; ++b)
                sum += static_cast<double>(weight[k++]) * x.at(i, r * stride + a - pad, s * stride + b - pad);
          y.x.push_back(scale * sum + shift);
        }
    }
    return y;
  }
};

/// Batch norms that do something: every weight, bias and statistic drawn.
void shake_norms(nn::Module& model, Generator& generator) {
  nn::StateDict state = model.state_dict();
  nn::StateDict shaken;
  for (const nn::NamedTensor& entry : state) {
    if (entry.tensor.dim() != 1 || entry.name.starts_with("fc.")) continue;
    shaken.set(entry.name, Tensor::rand(entry.tensor.shape(), generator) + 0.5);
  }
  model.load_state_dict(shaken, /*strict=*/false);
}

/// Compares a network in evaluation with plain loops, on two images of two channels and three classes.
void expect_plain_loops(nn::Module& model, ResNetBlock kind, std::span<const std::int64_t> blocks, bool large) {
  Generator generator(5);
  shake_norms(model, generator);
  const std::int64_t height = 21, width = 18;
  const Tensor images = Tensor::randn({2, 2, height, width}, generator);
  model.eval();
  const NoGrad no_grad;
  const std::vector<float> logits = model(images).to_vector<float>();
  const nn::StateDict state = model.state_dict();
  for (std::size_t i = 0; i < 2; ++i) {
    const std::vector<float> pixels = images.select(0, static_cast<std::int64_t>(i)).contiguous().to_vector<float>();
    const Plane image{.c = 2, .h = height, .w = width, .x = {pixels.begin(), pixels.end()}};
    const std::vector<double> expected = Reference(state).logits(image, kind, blocks, large);
    for (std::size_t k = 0; k < 3; ++k) {
      EXPECT_NEAR(logits[3 * i + k], expected[k], 2e-5 * (1.0 + std::abs(expected[k]))) << i << ' ' << k;
    }
  }
}

TEST(ResNet, MatchesPlainLoops) {
  const std::array<std::int64_t, 4> blocks{1, 2, 1, 1};
  for (const ResNetBlock kind : {ResNetBlock::Basic, ResNetBlock::Bottleneck}) {
    for (const ResNetStem stem : {ResNetStem::Large, ResNetStem::Small}) {
      const auto model =
          resnet(kind, blocks, {.num_classes = 3, .stem = stem, .input_channels = 2, .width = 3, .seed = 8});
      expect_plain_loops(*model, kind, blocks, stem == ResNetStem::Large);
    }
  }
  const std::array<std::int64_t, 3> stages{2, 2, 2};
  const auto model = cifar_resnet(2, {.num_classes = 3, .input_channels = 2, .width = 3, .seed = 8});
  expect_plain_loops(*model, ResNetBlock::Basic, stages, false);
}

TEST(ResNet, TakesAnyImageSize) {
  const auto model = resnet(ResNetBlock::Basic, {1, 1, 1, 1}, {.num_classes = 7, .width = 2});
  for (const std::int64_t side : {32, 33, 64}) {
    EXPECT_EQ((*model)(Tensor::zeros({2, 3, side, side})).shape(), (Shape{2, 7})) << side;
  }
}

TEST(ResNet, StartsAsTorchvisionDoes) {
  const auto model = resnet(ResNetBlock::Bottleneck, {1, 1, 1, 1}, {.width = 16, .seed = 3});
  const Tensor weight = model->parameter("layer4.0.conv2.weight").detach();  // 128 · 128 · 9 values
  const double stddev = std::sqrt(2.0 / (128 * 9));
  EXPECT_NEAR(mean(weight).item<double>(), 0.0, 4 * stddev / std::sqrt(weight.numel()));
  EXPECT_NEAR(mean(weight * weight).item<double>(), stddev * stddev, 0.02 * stddev * stddev);
  EXPECT_GT(amax(weight).item<double>(), 3.5 * stddev);  // normal, not uniform
  EXPECT_TRUE(bit_equal(model->parameter("layer1.0.bn3.weight").detach(), Tensor::ones({64})));
  EXPECT_TRUE(bit_equal(model->parameter("layer1.0.bn3.bias").detach(), Tensor::zeros({64})));
  // By name: another depth has the same values where it has the same weight.
  const auto deeper = resnet(ResNetBlock::Bottleneck, {1, 2, 1, 1}, {.width = 16, .seed = 3});
  EXPECT_TRUE(bit_equal(deeper->parameter("layer4.0.conv2.weight"), model->parameter("layer4.0.conv2.weight")));

  const auto vanishing = resnet(ResNetBlock::Basic, {1, 1, 1, 1}, {.zero_init_residual = true, .width = 2});
  EXPECT_TRUE(bit_equal(vanishing->parameter("layer2.0.bn2.weight").detach(), Tensor::zeros({4})));
  EXPECT_TRUE(bit_equal(vanishing->parameter("layer2.0.bn1.weight").detach(), Tensor::ones({4})));
  nn::initialize(*vanishing, 1);
  EXPECT_TRUE(bit_equal(vanishing->parameter("layer2.0.bn2.weight").detach(), Tensor::zeros({4})));
}

TEST(ResNet, GradientsReachEveryParameterDenseOrMasked) {
  for (const bool sparse : {false, true}) {
    const auto model = resnet(ResNetBlock::Basic, {1, 1, 1, 1}, {.num_classes = 4, .width = 4, .seed = 2});
    if (sparse) {
      sparsity::MaskPolicy policy = sparsity::static_mask();
      policy.density = 0.5;
      sparsity::make_sparse(*model, policy, 1);
      EXPECT_LT(model->parameter_count(true), model->parameter_count());
    }
    Generator generator(1);
    const Tensor images = Tensor::randn({4, 3, 32, 32}, generator);
    cross_entropy((*model)(images), Tensor::of<std::int64_t>({0, 1, 2, 3})).backward();
    for (const nn::NamedTensor& entry : model->named_parameters()) {
      ASSERT_TRUE(entry.tensor.grad().defined()) << entry.name;
      EXPECT_GT(count_nonzero(entry.tensor.grad()).item<std::int64_t>(), 0) << entry.name;
    }
    // Training moved the statistics; evaluation does not, and does not look at the rest of the batch.
    const nn::StateDict before = model->state_dict();
    EXPECT_EQ(before.at("layer3.0.bn1.num_batches_tracked").item<std::int64_t>(), 1);
    model->eval();
    const NoGrad no_grad;
    const Tensor all = (*model)(images);
    const Tensor first = (*model)(images.slice(0, 0, 1));
    for (std::int64_t k = 0; k < 4; ++k) {
      EXPECT_NEAR(all.data<float>()[k], first.data<float>()[k], 1e-5F * (1 + std::abs(all.data<float>()[k])));
    }
    for (const nn::NamedTensor& entry : model->state_dict()) {
      EXPECT_TRUE(bit_equal(entry.tensor, before.at(entry.name))) << entry.name;
    }
  }
}

TEST(ResNet, LoadsItsOwnStateDict) {
  const ResNetOptions options{.num_classes = 4, .width = 4, .seed = 2};
  const auto model = resnet(ResNetBlock::Bottleneck, {1, 1, 1, 1}, options);
  Generator generator(1);
  shake_norms(*model, generator);
  ResNetOptions undrawn = options;
  undrawn.draw = false;
  const auto other = resnet(ResNetBlock::Bottleneck, {1, 1, 1, 1}, undrawn);
  other->load_state_dict(model->state_dict());
  model->eval();
  other->eval();
  const Tensor images = Tensor::randn({1, 3, 32, 32}, generator);
  EXPECT_TRUE(bit_equal((*model)(images), (*other)(images)));
}

TEST(ResNet, RefusesWhatIsNoNetwork) {
  EXPECT_EQ(error_of([] {
              resnet(ResNetBlock::Basic, {1, 0, 1, 1});
            }),
            "[resnet] expects at least one block in every stage; got 0");
  EXPECT_NE(error_of([] { resnet18({.num_classes = 0}); }), "");
}

TEST(ResNet, ATrainingStepConvertsTwice) {
  Generator generator(12);
  const std::int64_t images = 2 * image_block(kFloat32) + 1;
  for (const bool sparse : {false, true}) {
    const auto model = resnet18({.num_classes = 10, .stem = ResNetStem::Small, .width = 4});
    if (sparse) {
      const Tensor dense = model->parameter("layer1.0.conv1.weight");
      model->set_parameter("layer1.0.conv1.weight",
                           Tensor::masked(dense, Mask::random(dense.shape(), dense.numel() / 10, generator)));
    }
    const Tensor x = Tensor::randn({images, 3, 8, 8}, generator);
    const Tensor target = Tensor::randint(0, 10, {images}, generator);
    const FormatScope scope;
    cross_entropy((*model)(x), target).backward();
    EXPECT_EQ(scope.conversions(), 2) << "images in, pooled features out";
  }
}

TEST(ResNet, GivesAFullBatchWhatItGivesSingleImages) {
  Generator generator(13);
  const NoGrad no_grad;
  const std::int64_t images = image_block(kFloat32) + 1;  // blocked, as single images are not unless a block is one
  for (const auto& model : {resnet18({.num_classes = 5, .stem = ResNetStem::Small, .width = 8}),
                            resnet50({.num_classes = 5, .width = 8})}) {
    model->eval();
    const Tensor x = Tensor::randn({images, 3, 40, 33}, generator);
    const std::vector<float> together = (*model)(x).to_vector<float>();
    for (std::int64_t i = 0; i < images; ++i) {
      const std::vector<float> alone = (*model)(x.slice(0, i, i + 1)).to_vector<float>();
      for (std::size_t k = 0; k < alone.size(); ++k) {
        EXPECT_NEAR(together[static_cast<std::size_t>(i) * 5 + k], alone[k], 2e-4F * (1.0F + std::abs(alone[k])));
      }
    }
  }
}

}  // namespace
}  // namespace coppice::models
