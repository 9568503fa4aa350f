#include <coppice/trainers/inspect/inspect.h>

#include <array>
#include <fstream>
#include <iterator>
#include <map>
#include <sstream>
#include <string_view>

#include <coppice/core/io/idx.h>
#include <coppice/core/io/masked_view.h>
#include <coppice/core/io/npy.h>
#include <coppice/core/io/pruned.h>
#include <coppice/core/io/pth.h>
#include <coppice/core/weight_state.h>
#include <coppice/ops/plan.h>
#include <coppice/trainers/checkpoint.h>
#include <coppice/trainers/results.h>

namespace coppice::train {
namespace {

enum class Format { Safetensors, Npy, Idx, Pth, Results };

Format format_of(const std::filesystem::path& file) {
  std::error_code failure;
  COPPICE_CHECK(std::filesystem::is_regular_file(file, failure), "[inspect] ", file.string(), ": must be a file");
  std::array<char, 9> first{};
  std::ifstream in(file, std::ios::binary);
  COPPICE_CHECK(in, "[inspect] ", file.string(), ": cannot be opened");
  in.read(first.data(), first.size());
  const std::string_view bytes(first.data(), static_cast<std::size_t>(in.gcount()));
  if (bytes.starts_with("\x93NUMPY")) return Format::Npy;
  if (bytes.starts_with('{')) return Format::Results;
  if (bytes.size() == 9 && bytes.back() == '{') return Format::Safetensors;
  if (is_pth(file)) return Format::Pth;
  if (bytes.starts_with(std::string_view("\0\0", 2)) || bytes.starts_with("\x1F\x8B")) return Format::Idx;
  detail::fail("[inspect] ", file.string(),
               ": expects safetensors, npy, idx, pth or results.json; its first bytes are those of none");
}

InspectedTensor describe(const std::string& name, const std::string& layout, const Tensor& tensor) {
  InspectedTensor result{.name = name,
                         .layout = layout,
                         .dtype = std::string(name_of(tensor.dtype())),
                         .shape = tensor.shape(),
                         .tensor = tensor};
  if (tensor.is_masked()) {
    const WeightState& state = tensor.weight_state();
    result.alive = state.alive().count();
    result.stored = state.stored().count();
    result.dormant = state.dormant().count();
    result.memory_bytes = state.bytes();
    for (const auto& [key, vector] : state.states()) result.states.push_back(key);
  } else {
    result.alive = Mask::from_nonzero(tensor).count();
    result.stored = tensor.numel();
    result.memory_bytes = tensor.nbytes();
  }
  return result;
}

/// Of a checkpoint's tensors those of the network, by their own names; the rest becomes a note.
void keep_network(Inspection& result) {
  constexpr std::string_view kModel = "model.";
  std::vector<InspectedTensor> network;
  std::map<std::string, std::pair<int, std::int64_t>> others;
  for (InspectedTensor& entry : result.tensors) {
    if (entry.name.starts_with(kModel)) {
      entry.name.erase(0, kModel.size());
      network.push_back(std::move(entry));
    } else {
      auto& [count, bytes] = others[entry.name.substr(0, entry.name.find('.'))];
      ++count;
      bytes += entry.file_bytes;
    }
  }
  result.tensors = std::move(network);
  std::ostringstream note;
  note << "a checkpoint; beside the network";
  for (const auto& [part, size] : others) {
    note << (part == others.begin()->first ? " " : ", ") << part << " (" << size.first << " tensors, " << size.second
         << " bytes)";
  }
  result.notes.push_back(note.str());
}

void inspect_safetensors(const std::filesystem::path& file, Inspection& result) {
  const Safetensors raw = detail::load_parts(file);
  const Safetensors whole = detail::join_masked(raw, file.string());
  std::map<std::string, Tensor> joined = whole.tensors;
  try {
    joined = join_pruned(whole.tensors);
  } catch (const Error& error) {
    result.notes.push_back(std::string("weights and masks are shown apart: ") + error.what());
  }
  for (const auto& [name, tensor] : joined) {
    const bool masked = whole.tensors.contains(name) && whole.tensors.at(name).is_masked();
    const bool pair = tensor.is_masked() && !masked;
    InspectedTensor& entry = result.tensors.emplace_back(describe(name,
                                                                  pair     ? "pair"
                                                                  : masked ? "masked"
                                                                           : "dense",
                                                                  tensor));
    for (const char* suffix : {"", "_orig", "_mask"}) {
      const auto part = raw.tensors.find(name + suffix);
      if (part != raw.tensors.end() && (pair || *suffix == '\0')) entry.file_bytes += part->second.nbytes();
    }
    if (!masked) continue;
    const std::string prefix = name + '.';
    for (auto part = raw.tensors.lower_bound(prefix); part != raw.tensors.end() && part->first.starts_with(prefix);
         ++part) {
      if (!whole.tensors.contains(part->first)) entry.file_bytes += part->second.nbytes();
    }
  }
  result.metadata.assign(whole.metadata.begin(), whole.metadata.end());
  if (whole.metadata.contains("coppice.checkpoint")) {
    load_checkpoint(file);  // which sums up every byte
    keep_network(result);
  }
}

void inspect_pth(const std::filesystem::path& file, Inspection& result) {
  const Pth content = load_pth(file);
  for (const auto& [name, tensor] : content.tensors) {
    result.tensors.push_back(describe(name, "dense", tensor));
    result.tensors.back().file_bytes = tensor.nbytes();
  }
  result.metadata.assign(content.values.begin(), content.values.end());
}

/// What ran the first steps of all runs, as a plan: `problem = kernel`, a line each.
std::string kernels_of(const Results& results) {
  Plan kernels;
  for (const RunResult& run : results.runs) {
    for (const auto& [problem, kernel] : run.kernels) kernels.set(problem, kernel);
  }
  return kernels.to_string();
}

void inspect_results(const std::filesystem::path& file, Inspection& result) {
  std::ifstream in(file, std::ios::binary);
  const std::string text{std::istreambuf_iterator<char>(in), {}};
  const auto add = [&](const std::string& key, const std::string& value) { result.metadata.emplace_back(key, value); };
  try {
    const Results results = results_from_json(text);
    add("paper", results.paper);
    add("scale", results.scale);
    add("command", results.command);
    add("dataset", results.dataset);
    add("commit", results.environment.commit + (results.environment.dirty ? "+" : ""));
    add("isa", results.environment.isa);
    add("runs", std::to_string(results.runs.size()));
    if (!results.plan.empty()) add("plan", results.plan);
    if (const std::string kernels = kernels_of(results); !kernels.empty()) add("kernels", kernels);
    if (results.interrupted) result.notes.push_back("the reproduction was interrupted");
    for (const ResultRow& row : summarise(results)) {
      std::ostringstream line;
      line.precision(4);
      line << "accuracy " << row.accuracy * 100 << " % over " << row.seeds << " seeds, " << row.nnz << " weights";
      std::ostringstream key;
      key << row.method << " at " << row.sparsity;
      add(key.str(), line.str());
    }
  } catch (const Error& error) {
    detail::fail("[inspect] ", file.string(), ": ", error.what());
  }
}

}  // namespace

Inspection inspect(const std::filesystem::path& file) {
  const Format format = format_of(file);
  Inspection result{.file = file.string(), .bytes = static_cast<std::int64_t>(std::filesystem::file_size(file))};
  const auto single = [&](const char* name, const Tensor& tensor) {
    result.format = name;
    InspectedTensor& entry = result.tensors.emplace_back(describe(file.filename().string(), "dense", tensor));
    entry.file_bytes = result.bytes;
  };
  switch (format) {
    case Format::Safetensors:
      result.format = "safetensors";
      inspect_safetensors(file, result);
      break;
    case Format::Npy: single("npy", load_npy(file)); break;
    case Format::Idx: single("idx", load_idx(file)); break;
    case Format::Pth:
      result.format = "pth";
      inspect_pth(file, result);
      break;
    case Format::Results:
      result.format = "results";
      inspect_results(file, result);
      break;
  }
  return result;
}

}  // namespace coppice::train
