// Fine-tunes the surviving weights of a pruned ResNet-18 on one's own images: docs/finetuning.md.
#include <coppice/coppice.h>
#include <coppice/trainers/data/image_folder.h>
#include <coppice/trainers/loop.h>

#include <algorithm>
#include <cstdlib>
#include <iostream>

using namespace coppice;

int main(int argc, char** argv) try {
  COPPICE_CHECK(argc >= 3, "usage: finetune FOLDER OUT.safetensors [IMAGE_SIZE [STEPS [PRUNED.safetensors]]]");
  const std::int64_t size = argc > 3 ? std::atoll(argv[3]) : 224;
  const std::int64_t steps = argc > 4 ? std::atoll(argv[4]) : 500;

  auto model = models::resnet18({.seed = 1});
  if (argc > 5) {
    nn::load_pruned(*model, argv[5]);  // masked safetensors, or PyTorch's weight_orig and weight_mask
  } else {
    sparsity::make_sparse(*model, {.density = 0.1, .distribution = sparsity::Distribution::Erk}, 1);
  }
  const auto images = std::make_shared<const train::ImageFolder>(argv[1], train::training_transform(size));
  nn::replace_head(*model, images->classes(), 1);
  for (const char* stem : {"conv1", "bn1"}) nn::freeze(*model, stem);

  const train::Split split = train::split(images->size(), images->size() / 5, 1);
  const train::Normalisation norm = train::imagenet_normalisation();
  train::DataLoader loader(images, split.train, {.batch_size = 16, .workers = 2, .normalisation = norm});
  optim::SGD optimizer(optim::split_decay(model->parameters(), 1e-4), {.lr = 0.005, .momentum = 0.9});
  train::FitOptions options{.steps = steps, .record_every = std::max<std::int64_t>(1, steps / 10)};
  options.lr_factor = optim::schedule::cosine(steps);
  for (const train::EpochRecord& record : fit(*model, optimizer, loader, nullptr, options).records) {
    std::cout << "step " << record.step << " loss " << record.loss << '\n';
  }

  const auto plain = std::make_shared<const train::ImageFolder>(*images, train::evaluation_transform(size));
  const train::Evaluation result = evaluate(*model, plain, split.validation, norm);
  std::cout << "accuracy " << 100 * result.accuracy << " % of " << result.count << " images\n";
  nn::save_pruned(argv[2], *model);
} catch (const std::exception& error) {
  std::cerr << error.what() << '\n';
  return 1;
}
