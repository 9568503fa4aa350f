#include <gtest/gtest.h>

#include <algorithm>
#include <array>
#include <cstring>
#include <utility>

#include <coppice/core/io/safetensors.h>
#include <coppice/core/io/safetensors_header.h>
#include <coppice/core/weight_state.h>

#include "tests/core/io/temporary_folder.h"
#include "tests/fuzz/campaign.h"
#include "tests/fuzz/mutator.h"

namespace coppice::fuzz {
namespace {

struct Entry {
  std::string name;
  std::string dtype;
  std::vector<std::uint64_t> shape;
  std::string data;
};

/// A file taken apart, so that one part can change and the others still fit.
struct Document {
  std::vector<Entry> entries;
  std::vector<std::pair<std::string, std::string>> metadata;
};

constexpr std::array<std::pair<DType, const char*>, 8> kDTypes{{{kFloat32, "F32"},
                                                                {kFloat64, "F64"},
                                                                {kFloat16, "F16"},
                                                                {kBFloat16, "BF16"},
                                                                {kInt32, "I32"},
                                                                {kInt64, "I64"},
                                                                {kUInt8, "U8"},
                                                                {kBool, "BOOL"}}};

std::uint64_t width_of(const std::string& name) {
  for (const auto& [dtype, text] : kDTypes) {
    if (name == text) return size_of(dtype);
  }
  return 1;
}

Tensor exploring_weight() {
  Generator generator(3);
  const Tensor weight = Tensor::masked(Tensor::randn({3, 7}, generator), Mask::random({3, 7}, 8, generator));
  WeightState& state = weight.weight_state();
  state.state("momentum_buffer");
  state.prune(state.alive() & Mask::random({3, 7}, 10, generator), Dormant::Keep);
  state.wake(Mask::random({3, 7}, 9, generator) - state.alive(), WakeValue::Dormant);
  return weight;
}

Document take_apart(const Safetensors& content) {
  const TemporaryFolder folder;
  save_safetensors(folder / "a", content, MaskedView::Masked);
  const std::string bytes = read_bytes(folder / "a");
  std::uint64_t length = 0;
  std::memcpy(&length, bytes.data(), sizeof length);
  const std::string data = bytes.substr(8 + length);
  const detail::SafetensorsHeader header = detail::parse_safetensors_header(bytes.substr(8, length), data.size(), "a");
  Document document;
  for (const detail::SafetensorsEntry& entry : header.entries) {
    const auto* name = std::ranges::find(kDTypes, entry.dtype, &std::pair<DType, const char*>::first);
    document.entries.push_back({.name = entry.name,
                                .dtype = name->second,
                                .shape = {entry.shape.begin(), entry.shape.end()},
                                .data = data.substr(entry.begin, entry.end - entry.begin)});
  }
  document.metadata.assign(header.metadata.begin(), header.metadata.end());
  return document;
}

std::vector<Document> seeds() {
  Generator generator(1);
  Safetensors dense{.metadata = {{"format", "pt"}}};
  for (const DType dtype : {kFloat32, kFloat64, kInt32, kInt64, kUInt8, kBool, kFloat16, kBFloat16}) {
    dense.tensors[std::string(name_of(dtype))] = Tensor::randint(0, 2, {2, 3}, generator).to(dtype);
  }
  const Tensor blocks = Tensor::masked(Tensor::ones({2, 4}), Mask::all({2, 4}).with_pattern(Pattern::block(1, 2)));
  return {take_apart(dense), take_apart({.tensors = {{"w", exploring_weight()}, {"b", Tensor::ones({3})}}}),
          take_apart({.tensors = {{"w", blocks}}})};
}

void fit_data(Entry& entry) {
  std::uint64_t bytes = width_of(entry.dtype);
  for (const std::uint64_t size : entry.shape) {
    if (__builtin_mul_overflow(bytes, size, &bytes) || bytes > 4096) return;
  }
  entry.data.resize(bytes);
}

void change_entry(Entry& entry, Mutator& mutator) {
  switch (mutator.below(5)) {
    case 0:
      if (!entry.shape.empty()) {
        std::uint64_t& size = entry.shape[mutator.below(entry.shape.size())];
        size = mutator.number_near(size);
      }
      break;
    case 1:
      if (mutator.chance(0.5) || entry.shape.empty()) {
        entry.shape.push_back(mutator.below(4));
      } else {
        entry.shape.pop_back();
      }
      break;
    case 2: entry.dtype = mutator.chance(0.1) ? "F8" : kDTypes[mutator.below(kDTypes.size())].second; break;
    case 3:
      entry.name = mutator.pick(
          std::vector<std::string>{"w", "w.alive", "w.values", "w.awake", "w.state.x", "__metadata__", "", "\xC3"});
      break;
    default: mutator.flip_bits(entry.data, 0, entry.data.size()); return;
  }
  if (mutator.chance(0.7)) fit_data(entry);
}

void change(Document& document, Mutator& mutator) {
  static const std::vector<std::string> kWords = {" free", " nm 2 4",   " block 1 2",       " channels",
                                                  "shape", " pattern ", " shared_columns 2"};
  const std::uint64_t kind = mutator.below(10);
  if (kind == 0 && !document.metadata.empty()) {
    mutator.change_text(document.metadata[mutator.below(document.metadata.size())].second, kWords);
  } else if (kind == 1) {
    document.metadata.emplace_back(mutator.chance(0.5) ? "coppice.masked.x" : "k", "shape 2 pattern free");
  } else if (!document.entries.empty()) {
    const std::size_t at = mutator.below(document.entries.size());
    if (kind == 2) {
      document.entries.erase(document.entries.begin() + static_cast<std::ptrdiff_t>(at));
    } else if (kind == 3) {
      document.entries.push_back(document.entries[at]);
      if (mutator.chance(0.8)) document.entries.back().name += "2";
    } else {
      change_entry(document.entries[at], mutator);
    }
  }
}

std::string put_together(const Document& document, Mutator& mutator) {
  const auto quote = [](const std::string& text) { return '"' + text + '"'; };
  std::string header = "{\"__metadata__\":{";
  for (const auto& [key, value] : document.metadata) {
    if (header.back() != '{') header += ',';
    (((header += quote(key)) += ':') += quote(value));
  }
  header += '}';
  const bool shifted = mutator.chance(0.05);
  std::string data;
  for (const Entry& entry : document.entries) {
    header += ',' + quote(entry.name) + ":{\"dtype\":" + quote(entry.dtype) + ",\"shape\":[";
    for (const std::uint64_t size : entry.shape) {
      if (header.back() != '[') header += ',';
      header += std::to_string(size);
    }
    const std::uint64_t begin = shifted ? mutator.number_near(data.size()) : data.size();
    data += entry.data;
    header += "],\"data_offsets\":[" + std::to_string(begin) + ',' + std::to_string(data.size()) + "]}";
  }
  header += '}';
  if (mutator.chance(0.1)) mutator.change_text(header, {"null", "true", "\"shape\":[1]", "\"dtype\":", "[[", "{}"});
  const std::uint64_t length = mutator.chance(0.02) ? mutator.number_near(header.size()) : header.size();
  std::string bytes(sizeof length, '\0');
  std::memcpy(bytes.data(), &length, sizeof length);
  bytes += header + data;
  if (mutator.chance(0.1)) mutator.change_bytes(bytes);
  return bytes;
}

TEST(Mutations, Safetensors) {
  const std::vector<Document> documents = seeds();
  run({.format = "safetensors",
       .target = safetensors,
       .make =
           [&](Generator& generator) {
             Mutator mutator(generator);
             Document document = mutator.pick(documents);
             for (std::uint64_t changes = mutator.below(4); changes > 0; --changes) change(document, mutator);
             return put_together(document, mutator);
           },
       .fixed_bytes = 64 << 10,
       .per_byte = 100,
       .kinds_of_error = 30});
}

}  // namespace
}  // namespace coppice::fuzz
