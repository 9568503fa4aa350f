#include <array>
#include <cstdio>
#include <memory>

#include <coppice/trainers/cli/commands.h>
#include <coppice/trainers/data/cifar10.h>
#include <coppice/trainers/data/digits.h>
#include <coppice/trainers/data/mnist.h>

namespace coppice::train::cli {
namespace {

void describe(const char* part, const Dataset& set) {
  std::array<long long, 10> counts{};
  const std::uint8_t* labels = set.labels.data<std::uint8_t>();
  for (std::int64_t i = 0; i < set.size(); ++i) ++counts.at(labels[i]);
  std::printf("%-5s  %lld images of %lld x %lld, by class:", part, static_cast<long long>(set.size()),
              static_cast<long long>(set.height()), static_cast<long long>(set.width()));
  for (const long long count : counts) std::printf(" %lld", count);
  std::printf("\n");
  for (const SourceFile& file : set.files) std::printf("       %s  %s\n", file.sha256.c_str(), file.name.c_str());
}

void describe(const TrainTest& data) {
  describe("train", data.train);
  describe("test", data.test);
}

void check_idx(const std::string& directory) {
  const TrainTest data = load_idx_directory(directory);
  describe(data);
  std::printf(is_original_mnist(data) ? "This is MNIST, every image and label of it.\n"
                                      : "This is not MNIST, or not as it was published.\n");
}

void check_cifar10(const std::string& directory) {
  const TrainTest data = cifar10(directory);
  describe(data);
  const bool whole = data.train.size() == 50000 && data.test.size() == 10000;
  std::printf("This is in CIFAR-10's layout, %s; its first 4000 training images %s CIFAR-10's own.\n",
              whole ? "with as many images" : "with fewer or other images",
              begins_as_cifar10(data.train) ? "are" : "are not");
}

int check(const std::string& directory) {
  const bool cifar = holds_cifar10(directory);
  if (!cifar || holds_idx_files(directory)) check_idx(directory);
  if (cifar) check_cifar10(directory);
  return 0;
}

struct MakeArguments {
  std::string directory;
  std::int64_t train = 60000;
  std::int64_t test = 10000;
  std::uint64_t seed = 0;
};

int make(const MakeArguments& arguments) {
  const DigitsOptions options{.seed = arguments.seed};
  save_idx_directory(arguments.directory,
                     {.train = digits(arguments.train, options), .test = digits(arguments.test, options, Part::Test)});
  return check(arguments.directory);
}

}  // namespace

void add_data(CLI::App& app, Context& context) {
  CLI::App* data = app.add_subcommand("data", "Make or check data sets");
  data->require_subcommand(1);
  data->footer("Examples:\n  coppice data make digits --train 6000 --test 1000\n  coppice data check digits");

  CLI::App* made = data->add_subcommand("make", "Draw the engine's own digits and write them as idx files");
  auto arguments = std::make_shared<MakeArguments>();
  made->add_option("directory", arguments->directory, "where the four files go")->required();
  made->add_option("--train", arguments->train, "training images")->check(CLI::PositiveNumber)->capture_default_str();
  made->add_option("--test", arguments->test, "test images")->check(CLI::PositiveNumber)->capture_default_str();
  made->add_option("--seed", arguments->seed, "whose handwriting")->capture_default_str();
  made->footer("Example:\n  coppice data make digits --train 6000 --test 1000");
  made->callback([arguments, &context] { context.run = [arguments] { return make(*arguments); }; });

  CLI::App* checked =
      data->add_subcommand("check", "Read a directory in the layout of MNIST or CIFAR-10 and say what is in it");
  auto directory = std::make_shared<std::string>();
  checked->add_option("directory", *directory, "holds the files, or mnist/ or cifar10/ with them")->required();
  checked->footer("Example:\n  coppice data check digits");
  checked->callback([directory, &context] { context.run = [directory] { return check(*directory); }; });
}

}  // namespace coppice::train::cli
