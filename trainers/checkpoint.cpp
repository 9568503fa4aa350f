#include <coppice/trainers/checkpoint.h>

#include <algorithm>
#include <cstdio>
#include <functional>
#include <sstream>
#include <string_view>
#include <system_error>
#include <utility>

#include <coppice/core/io/masked_view.h>
#include <coppice/core/tensor_impl.h>
#include <coppice/core/weight_state.h>
#include <coppice/models/nn/masked_state.h>
#include <coppice/ops/optim/optimizer.h>
#include <coppice/sparsity/controller.h>
#include <coppice/trainers/checkpoint_progress.h>
#include <coppice/trainers/data/sha256.h>

namespace coppice::train {
namespace {

using State = std::map<std::string, Tensor>;

constexpr std::string_view kVersionKey = "coppice.checkpoint";
constexpr std::string_view kDigestKey = "coppice.checkpoint.sha256";
constexpr std::string_view kModel = "model.";
constexpr std::string_view kOptimizer = "optimizer.";
constexpr std::string_view kController = "controller.";
constexpr std::string_view kProgress = "progress.";

void add(State& all, std::string_view prefix, const State& state) {
  for (const auto& [name, tensor] : state) all[std::string(prefix) + name] = tensor;
}

/// The entries under a prefix, by the rest of their names.
State take(const State& all, std::string_view prefix) {
  State state;
  for (auto next = all.lower_bound(std::string(prefix)); next != all.end() && next->first.starts_with(prefix); ++next) {
    state[next->first.substr(prefix.size())] = next->second;
  }
  return state;
}

State state_of(const nn::Module& model) {
  State state;
  for (const nn::NamedTensor& entry : nn::masked_state_dict(model)) state[entry.name] = entry.tensor;
  return state;
}

/// Without the vectors of Masked parameters, which are saved with their weights.
State state_of(const optim::Optimizer& optimizer) {
  State state = optimizer.state_dict();
  std::size_t index = 0;
  for (const optim::ParamGroup& group : optimizer.groups()) {
    for (const Tensor& parameter : group.params) {
      const std::string prefix = std::to_string(index++) + '.';
      if (!parameter.is_masked()) continue;
      std::erase_if(
          state, [&](const auto& entry) { return entry.first.starts_with(prefix) && entry.first != prefix + "step"; });
    }
  }
  return state;
}

/// SHA-256 of everything in a file but the digest itself, whatever the order in which the file holds it.
std::string digest(const Safetensors& content, const std::string& file) {
  const Safetensors split = coppice::detail::split_masked(content, file);
  std::ostringstream list;
  for (const auto& [key, text] : split.metadata) {
    if (key != kDigestKey) list << sha256(key.data(), key.size()) << ' ' << sha256(text.data(), text.size()) << '\n';
  }
  for (const auto& [name, tensor] : split.tensors) {
    const Tensor bytes = coppice::detail::raw_contiguous(tensor);
    list << sha256(name.data(), name.size()) << ' ' << tensor.dtype() << ' ' << tensor.shape() << ' '
         << sha256(bytes.raw_data(), static_cast<std::size_t>(bytes.nbytes())) << '\n';
  }
  const std::string text = list.str();
  return sha256(text.data(), text.size());
}

constexpr std::string_view kStem = "step-";
constexpr std::string_view kExtension = ".safetensors";

std::filesystem::path file_of(const std::filesystem::path& folder, std::int64_t step) {
  char name[32];
  std::snprintf(name, sizeof name, "step-%09lld", static_cast<long long>(step));
  return folder / (std::string(name) + std::string(kExtension));
}

/// The step in a checkpoint's name; -1 for other files.
std::int64_t step_of(const std::filesystem::path& file) {
  const std::string name = file.filename().string();
  if (!name.starts_with(kStem) || !name.ends_with(kExtension)) return -1;
  const std::string digits = name.substr(kStem.size(), name.size() - kStem.size() - kExtension.size());
  const bool number = !digits.empty() && digits.size() <= 18 && digits.find_first_not_of("0123456789") == digits.npos;
  return number ? std::stoll(digits) : -1;
}

/// Checkpoints of a folder by step, the newest first.
std::vector<std::pair<std::int64_t, std::filesystem::path>> checkpoints(const std::filesystem::path& folder) {
  std::vector<std::pair<std::int64_t, std::filesystem::path>> found;
  std::error_code none;
  for (const auto& entry : std::filesystem::directory_iterator(folder, none)) {
    if (const std::int64_t step = step_of(entry.path()); step >= 0) found.emplace_back(step, entry.path());
  }
  std::ranges::sort(found, std::greater<>());
  return found;
}

/// Leaves the newest up to `step`, and nothing a killed training was writing. Later ones are of a training that went
/// further before: they are damaged, or equal to what this one will write.
void tidy(const std::filesystem::path& folder, std::int64_t step, int keep) {
  std::error_code ignored;  // a file that cannot be removed is no reason to end a training
  std::vector<std::filesystem::path> unfinished;
  for (const auto& entry : std::filesystem::directory_iterator(folder, ignored)) {
    const std::string name = entry.path().filename().string();
    if (name.starts_with(kStem) && name.find(".tmp.") != name.npos) unfinished.push_back(entry.path());
  }
  for (const std::filesystem::path& file : unfinished) std::filesystem::remove(file, ignored);
  int kept = 0;
  for (const auto& [at, file] : checkpoints(folder)) {
    if (at > step || kept++ < keep) continue;
    std::filesystem::remove(file, ignored);
    std::filesystem::remove(detail::measurements_file(file), ignored);
  }
}

template <class... Parts>
[[noreturn]] void refuse(const Checkpoint& checkpoint, const Parts&... parts) {
  coppice::detail::fail("[checkpoint] ", checkpoint.file.string(), ": ", parts...);
}

const char* layout_of(const Tensor& tensor) { return tensor.is_masked() ? "sparse" : "dense"; }

void check(const Checkpoint& checkpoint, const State& saved, const State& model) {
  for (const auto& [name, target] : model) {
    const auto found = saved.find(name);
    if (found == saved.end()) refuse(checkpoint, "expects the network to have no '", name, "'; it is of another one");
    const Tensor& source = found->second;
    if (source.shape() == target.shape() && source.dtype() == target.dtype() &&
        source.is_masked() == target.is_masked()) {
      continue;
    }
    refuse(checkpoint, "'", name, "' expects ", layout_of(source), " ", source.dtype(), " ", source.shape(),
           " in the network; got ", layout_of(target), " ", target.dtype(), " ", target.shape());
  }
  for (const auto& [name, source] : saved) {
    if (!model.contains(name)) refuse(checkpoint, "expects '", name, "' in the network; it is of another one");
  }
}

void assign(const Tensor& target, const Tensor& source) {
  if (!source.is_masked()) {
    coppice::detail::copy_into(target, source);
    return;
  }
  const WeightState& from = source.weight_state();
  WeightState& to = target.weight_state();
  to.restore(from.sets(), WeightState::remap(from.values(), from.stored(), from.alive()), from.dormant_values());
  for (const auto& [name, vector] : from.states()) {
    to.state(name) = WeightState::remap(vector, from.stateful(), from.stateful());
  }
}

}  // namespace

std::filesystem::path save_checkpoint(const std::filesystem::path& folder, const Trainee& trainee,
                                      const FitResult& progress, const std::map<std::string, std::string>& metadata,
                                      int keep) {
  COPPICE_CHECK(keep > 0, "[checkpoint] expects to keep at least one; got ", keep);
  Safetensors content;
  content.metadata = metadata;
  content.metadata[std::string(kVersionKey)] = std::to_string(Checkpoint::kSchemaVersion);
  add(content.tensors, kModel, state_of(trainee.model));
  add(content.tensors, kOptimizer, state_of(trainee.optimizer));
  if (trainee.controller) add(content.tensors, kController, trainee.controller->state_dict());
  add(content.tensors, kProgress, detail::progress_tensors(progress));

  std::filesystem::create_directories(folder);
  const std::filesystem::path file = file_of(folder, progress.steps);
  content.metadata[std::string(kDigestKey)] = digest(content, file.string());
  detail::save_measurements(file, progress);
  save_safetensors(file, content, MaskedView::Masked);
  tidy(folder, progress.steps, keep);
  return file;
}

Checkpoint load_checkpoint(const std::filesystem::path& file) {
  Safetensors content = load_safetensors(file);
  Checkpoint checkpoint{.file = file};
  const auto version = content.metadata.find(std::string(kVersionKey));
  if (version == content.metadata.end()) refuse(checkpoint, "expects a checkpoint; got other tensors");
  const std::string supported = std::to_string(Checkpoint::kSchemaVersion);
  if (version->second != supported) {
    refuse(checkpoint, "expects schema version ", supported, "; got '", version->second.substr(0, 20),
           "': it is damaged, or a newer coppice wrote it");
  }
  const auto recorded = content.metadata.find(std::string(kDigestKey));
  if (recorded == content.metadata.end() || recorded->second != digest(content, file.string())) {
    refuse(checkpoint, "expects contents with the SHA-256 that was recorded; got others: it is damaged");
  }
  try {
    checkpoint.progress = detail::progress_from(take(content.tensors, kProgress));
  } catch (const Error& error) {
    refuse(checkpoint, error.what());
  }
  checkpoint.measured = detail::load_measurements(file, checkpoint.progress);
  content.metadata.erase(std::string(kVersionKey));
  content.metadata.erase(std::string(kDigestKey));
  checkpoint.metadata = std::move(content.metadata);
  checkpoint.tensors = std::move(content.tensors);
  return checkpoint;
}

LatestCheckpoint latest_checkpoint(const std::filesystem::path& folder) {
  LatestCheckpoint latest;
  for (const auto& [step, file] : checkpoints(folder)) {
    try {
      latest.checkpoint = load_checkpoint(file);
      break;
    } catch (const Error& error) {
      latest.warnings.push_back(error.what());
    }
  }
  return latest;
}

void restore(const Checkpoint& checkpoint, nn::Module& model) {
  nn::StateDict state;
  for (const auto& [name, tensor] : take(checkpoint.tensors, kModel)) state.set(name, tensor);
  try {
    nn::load_masked_state_dict(model, state);
  } catch (const Error& error) {
    refuse(checkpoint, error.what());
  }
}

void restore(const Checkpoint& checkpoint, const Trainee& trainee) {
  const State model = take(checkpoint.tensors, kModel);
  const State targets = state_of(trainee.model);
  check(checkpoint, model, targets);
  const State controller = take(checkpoint.tensors, kController);
  if (controller.empty() != (trainee.controller == nullptr)) {
    refuse(checkpoint, "expects a training ", controller.empty() ? "without" : "with", " a mask controller");
  }
  // Each part takes all or nothing; the controller goes back when a later part refuses.
  const State before = trainee.controller ? trainee.controller->state_dict() : State();
  try {
    if (trainee.controller) trainee.controller->load_state_dict(controller);
    trainee.optimizer.load_state_dict(take(checkpoint.tensors, kOptimizer));
  } catch (const Error& error) {
    if (trainee.controller) trainee.controller->load_state_dict(before);
    refuse(checkpoint, error.what());
  }
  for (const auto& [name, target] : targets) assign(target, model.at(name));
}

}  // namespace coppice::train
