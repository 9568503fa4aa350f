// What is bound by memory, by overhead or by size: operations on large tensors, optimisers, selection, small
// operations, and the program itself.

#include <fcntl.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cstdio>
#include <cstdlib>
#include <filesystem>

#include <coppice/autograd/engine.h>
#include <coppice/autograd/grad_mode.h>
#include <coppice/core/allocator.h>
#include <coppice/core/generator.h>
#include <coppice/core/parallel.h>
#include <coppice/models/resnet.h>
#include <coppice/ops/activation.h>
#include <coppice/ops/batch_norm.h>
#include <coppice/ops/cpu/gemm.h>
#include <coppice/ops/elementwise.h>
#include <coppice/ops/optim/adamw.h>
#include <coppice/ops/pool2d.h>
#include <coppice/ops/softmax.h>
#include <coppice/sparsity/selection.h>

#include "bench/report/groups.h"
#include "bench/report/networks.h"
#include "bench/report/operands.h"

namespace coppice::bench {
namespace {

namespace measure = train::measure;

const std::vector<std::string> kTorch = {"torch1.installed", "torch2.installed", "torch2.tuned"};

/// A row of an operation that touches so many bytes, beside what streaming them would take.
Row bandwidth_row(Bench& bench, const std::string& what, const std::string& peer_name, double bytes,
                  const std::function<void()>& call) {
  const Race r = race(bench, {{"coppice", call}},
                      {.peers = kTorch,
                       .peer_case = "op name=" + peer_name,
                       .rounds = 7,
                       .sample_seconds = 0.02,
                       .longest_seconds = 8.0});
  Row row = row_of_limit(what, r, bytes / bench.ceilings().dram, "measured bandwidth", bench.threads(),
                         {1.0 / 1.15, 1.0 / 1.5});
  row.bytes = bytes;
  return row;
}

/// A row that is judged by a number of seconds (or bytes) alone.
Row absolute_row(const std::string& what, const std::string& unit, std::vector<double> values, double goal,
                 double floor, int threads) {
  Row row{.what = what, .threads = threads, .unit = unit, .peer = "the floor", .peers = floor};
  row.ours = measure::median(values);
  row.ratio = measure::paired_ratio(std::vector<double>(values.size(), floor), values);
  row.goal = floor / goal;
  row.floor = 1.0;
  return row;
}

std::vector<double> times_of(int threads, const std::function<void()>& call, int rounds = 7) {
  const auto samples =
      measure::sample_in_turn({{"coppice", [&](int calls) { return measure::time_calls(calls, call); }}},
                              {.rounds = rounds, .sample_seconds = 0.005, .longest_seconds = 10.0});
  return measure::keep_rounds(samples, threads).seconds[0];
}

/// Runs a program to its end: the processor time it took, in seconds.
double run_child(const std::vector<std::string>& words) {
  std::vector<char*> pointers;
  for (const std::string& word : words) pointers.push_back(const_cast<char*>(word.c_str()));
  pointers.push_back(nullptr);
  const pid_t child = ::vfork();
  if (child == 0) {
    const int nowhere = ::open("/dev/null", O_WRONLY);
    ::dup2(nowhere, STDOUT_FILENO);
    ::execv(pointers[0], pointers.data());
    ::_exit(127);
  }
  rusage usage{};
  ::wait4(child, nullptr, 0, &usage);
  const auto seconds = [](const timeval& t) {
    return static_cast<double>(t.tv_sec) + 1e-6 * static_cast<double>(t.tv_usec);
  };
  return seconds(usage.ru_utime) + seconds(usage.ru_stime);
}

/// What a program prints that says how many bytes it held at most. Its parent cannot ask: the kernel counts what the
/// parent held when it started it.
double printed_bytes(const std::string& command) {
  std::FILE* const output = ::popen(command.c_str(), "r");
  COPPICE_CHECK(output != nullptr, "[bench] cannot run ", command);
  double bytes = 0.0;
  const bool read = std::fscanf(output, "%lf", &bytes) == 1;
  COPPICE_CHECK(::pclose(output) == 0 && read, "[bench] ", command, " failed");
  return bytes;
}

std::filesystem::path own_folder() { return std::filesystem::read_symlink("/proc/self/exe").parent_path(); }

/// Bytes that weights, gradients, optimiser state and structures of a network hold after a step.
double bytes_held(const Sparse& sparse) {
  const std::int64_t before = cpu_allocator().stats().current;
  const std::function<void()> step = adam_step(sparse);
  step();
  step();
  return static_cast<double>(cpu_allocator().stats().current - before);
}

}  // namespace

std::vector<Row> measure_bandwidth(Bench& bench) {
  Generator generator(1);
  std::vector<Row> rows;
  const Tensor flat = Tensor::randn({1 << 24}, generator), matrix = Tensor::randn({4096, 4096}, generator);
  const auto large = static_cast<double>(flat.nbytes());
  rows.push_back(bandwidth_row(bench, "add, 16 M", "add", 2 * large, [&] { flat + flat; }));
  rows.push_back(bandwidth_row(bench, "ReLU, 16 M", "relu", 2 * large, [&] { relu(flat); }));
  rows.push_back(bandwidth_row(bench, "exp, 16 M", "exp", 2 * large, [&] { exp(flat); }));
  rows.push_back(bandwidth_row(bench, "softmax, 4096 x 4096", "softmax", 2 * large, [&] { softmax(matrix); }));
  Tensor images = Tensor::randn({128, 64, 32, 32}, generator).to(MemoryFormat::Blocked);
  const auto bytes = static_cast<double>(images.numel()) * 4.0;
  rows.push_back(bandwidth_row(bench, "max pooling 2 x 2", "max_pool", 1.25 * bytes, [&] {
    max_pool2d(images, {2, 2});
  }));
  // The statistics need a pass of their own: read, read, write.
  rows.push_back(bandwidth_row(bench, "batch norm, forward", "batch_norm", 3 * bytes,
                               [&] { batch_norm(images, {}, {}, {}, {}); }));
  {
    const Tensor leaf = images.detach().requires_grad_();
    const Tensor d_y = Tensor::randn({128, 64, 32, 32}, generator).to(MemoryFormat::Blocked);
    const Tensor weight = Tensor::ones({64}).requires_grad_(), bias = Tensor::zeros({64}).requires_grad_();
    // Backward likewise: input and gradient twice, the input's gradient once.
    rows.push_back(bandwidth_row(bench, "batch norm, forward and backward", "batch_norm_backward", 8 * bytes, [&] {
      grad({batch_norm(leaf, weight, bias, {}, {})}, {leaf, weight, bias}, {d_y});
    }));
  }
  {
    const Tensor p = Tensor::zeros({24'900'000}).requires_grad_();
    p.set_grad(Tensor::randn({24'900'000}, generator));
    optim::AdamW adam({p});
    rows.push_back(bandwidth_row(bench, "Adam, 24.9 M parameters", "adam", 28 * 24.9e6, [&] { adam.step(); }));
  }
  return rows;
}

std::vector<Row> measure_optimizer(Bench& bench) {
  std::vector<Row> rows;
  Generator generator(1);
  constexpr std::int64_t kWeights = 25'000'000;
  const Shape shape{5000, kWeights / 5000};
  {
    const Tensor dense = Tensor::randn(shape, generator).requires_grad_();
    dense.set_grad(Tensor::randn(shape, generator));
    // Dense storage with a mask, as near-dense phases have it.
    Tensor masked = Tensor::masked(Tensor::randn(shape, generator), Mask::random(shape, kWeights * 6 / 10, generator));
    masked.requires_grad_();
    masked.set_grad(Tensor::randn({kWeights * 6 / 10}, generator));
    optim::AdamW of_dense({dense}), of_masked({masked});
    Race r = race(bench, {{"masked", [&] { of_masked.step(); }}, {"dense", [&] { of_dense.step(); }}},
                  {.rounds = 7, .longest_seconds = 8.0});
    r.peers.push_back({"our dense step", false, r.ours[1]});
    rows.push_back(row_of("Adam step of 25 M weights, 60 % alive", r, 0, bench.threads(), {1.0 / 0.95, 1.0}));
  }
  {
    const Tensor scores = Tensor::randn(shape, generator);
    const sparsity::Scores all{scores.view({kWeights}), Mask::all(shape), "weight"};
    const auto seconds = times_of(bench.threads(), [&] { sparsity::select(all, kWeights / 10, {.absolute = true}); });
    rows.push_back(absolute_row("exact top 10 % of 25 M", "s", seconds, 12e-3, 18e-3, bench.threads()));
  }
  if (bench.threads() == 1) {
    const double sparse = bytes_held({0.9, sparsity::Distribution::Uniform, 1}), dense = bytes_held({});
    Row row{.what = "weight, gradient, Adam's state and structures at 90 %", .ours = sparse, .unit = "B"};
    row.peer = "our dense network";
    row.peers = dense;
    row.ratio = {dense / sparse, dense / sparse, dense / sparse};
    row.goal = 1.0 / 0.16;
    row.floor = 1.0 / 0.18;
    rows.push_back(row);
  }
  return rows;
}

std::vector<Row> measure_small_ops(Bench& bench) {
  constexpr int kChain = 100;
  const Tensor step = Tensor::ones({1, 32}), seed = Tensor::ones({1, 32});
  const Tensor plain = Tensor::ones({1, 32}), leaf = Tensor::ones({1, 32}).requires_grad_();
  const auto chain = [&](const Tensor& x) {
    Tensor y = x;
    for (int i = 0; i < kChain; ++i) y = add(y, step);
    return y;
  };
  const auto forward = [&] {
    const NoGrad no_grad;
    chain(plain);
  };
  const auto both = [&] {
    chain(leaf).backward(seed);
    leaf.set_grad({});
  };
  const auto row = [&](const std::string& what, const std::function<void()>& call, const std::string& peer_case,
                       double goal, double floor) {
    Race r = race(bench, {{"coppice", call}}, {.peers = {"libtorch"}, .peer_case = peer_case, .sample_seconds = 0.002});
    for (double& seconds : r.ours[0]) seconds /= kChain;
    for (Race::Runner& runner : r.peers) {
      for (double& seconds : runner.seconds) seconds /= kChain;
    }
    return row_of_limit(what, r, floor, "the floor", bench.threads(), {floor / goal, 1.0});
  };
  return {row("small operation, forward", forward, "small_op backward=0", 60e-9, 130e-9),
          row("small operation, forward and backward", both, "small_op backward=1", 200e-9, 450e-9)};
}

std::vector<Row> measure_size(Bench& bench) {
  std::vector<Row> rows;
  const std::filesystem::path folder = own_folder();
  for (const auto& program : {folder / "coppice", folder.parent_path() / "coppice"}) {
    if (!std::filesystem::exists(program)) continue;
    std::vector<double> seconds;
    for (int i = 0; i < 15; ++i) seconds.push_back(run_child({program.string(), "--version"}));
    rows.push_back(absolute_row("start of the program, processor time", "s", seconds, 10e-3, 20e-3, bench.threads()));
    break;
  }
  for (const auto& library : {folder / "libcoppice.so", folder.parent_path() / "libcoppice.so"}) {
    if (!std::filesystem::exists(library)) continue;
    const auto bytes = static_cast<double>(std::filesystem::file_size(library));
    rows.push_back(absolute_row("libcoppice.so", "B", {bytes, bytes, bytes, bytes, bytes, bytes}, 6e6, 10e6, 1));
    break;
  }
  const double peak = printed_bytes("'" + (folder / "coppice-bench").string() + "' --child training");
  rows.push_back(absolute_row("peak memory of a ResNet-18 training step, batch 128", "B", std::vector<double>(6, peak),
                              950.0 * 1048576.0, 950.0 * 1048576.0, 1));
  return rows;
}

std::vector<Row> measure_threads(Bench& bench) {
  std::vector<Row> rows;
  if (bench.threads() != 2) return rows;
  const auto with = [](int threads, std::function<void()> call) {
    return [threads, call = std::move(call)] {
      const ThreadLimit limit(threads);
      call();
    };
  };
  const auto row = [&](const std::string& what, const std::function<void()>& call) {
    Race r = race(bench, {{"two", with(2, call)}, {"one", with(1, call)}}, {.rounds = 7, .longest_seconds = 30.0});
    r.peers.push_back({"one thread", false, r.ours[1]});
    return row_of(what, r, 0, 2, {1.9, 1.75});
  };
  Generator generator(1);
  const Tensor a = Tensor::randn({1024, 1024}, generator), c = Tensor::empty({1024, 1024});
  rows.push_back(row("product 1024 x 1024 x 1024", [=] {
    cpu::gemm(cpu::Transpose::No, cpu::Transpose::No, 1024, 1024, 1024, a.data<float>(), 1024, a.data<float>(), 1024,
              false, c.data<float>(), 1024);
  }));
  const cases::LayerCase layer = cases::sparse_layers()[1];
  const Layer dense(layer, 16), sparse(layer, 16, random_mask({layer.outputs, layer.inputs, 3, 3}, 0.9, 1));
  for (const FlopPhase phase : kPhases) {
    rows.push_back(row(std::string("dense 3x3, ") + pass_name(phase), dense.pass(phase)));
    rows.push_back(row(std::string("unstructured 3x3 at 90 %, ") + pass_name(phase), sparse.pass(phase)));
  }
  rows.push_back(row("training step of ResNet-18, batch 128", training_step(128, {})));
  return rows;
}

}  // namespace coppice::bench
