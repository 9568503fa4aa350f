#include <coppice/core/io/masked_view.h>

#include <array>
#include <cstring>
#include <sstream>
#include <string_view>
#include <utility>
#include <vector>

#include <coppice/core/tensor_impl.h>
#include <coppice/core/weight_state.h>

namespace coppice::detail {

namespace {

constexpr std::string_view kPrefix = "coppice.masked.";
constexpr std::array<std::pair<Pattern::Kind, const char*>, 5> kPatterns{
    {{Pattern::Kind::Free, "free"},
     {Pattern::Kind::Nm, "nm"},
     {Pattern::Kind::Block, "block"},
     {Pattern::Kind::SharedColumns, "shared_columns"},
     {Pattern::Kind::Channels, "channels"}}};

struct Description {
  Shape shape;
  Pattern pattern;
};

std::string describe(const Shape& shape, Pattern pattern) {
  std::ostringstream text;
  text << "shape";
  for (const std::int64_t size : shape) text << ' ' << size;
  text << " pattern";
  for (const auto& [kind, word] : kPatterns) {
    if (kind == pattern.kind) text << ' ' << word;
  }
  if (pattern.first != 0 || pattern.second != 0) text << ' ' << pattern.first << ' ' << pattern.second;
  return text.str();
}

Description parse_description(const std::string& text) {
  std::istringstream words(text);
  std::string word;
  Description result;
  Dims sizes;
  bool known = words >> word && word == "shape";
  while (known && words >> word && word != "pattern") {
    std::istringstream number(word);
    std::int64_t size = 0;
    known = number >> size && number.eof() && sizes.rank() < kMaxRank;
    if (known) sizes.push_back(size);
  }
  known = known && word == "pattern" && words >> word;
  bool named = false;
  for (const auto& [kind, name] : kPatterns) {
    if (word != name) continue;
    result.pattern.kind = kind;
    named = true;
  }
  if (known && !(words >> std::ws).eof()) known = words >> result.pattern.first >> result.pattern.second && words.eof();
  COPPICE_CHECK(known && named, "metadata must read `shape 300 784 pattern free`; got '", text.substr(0, 100), "'");
  result.shape = Shape(sizes);
  return result;
}

std::int64_t bytes_of_bits(std::int64_t numel) { return numel / 8 + (numel % 8 != 0 ? 1 : 0); }

/// Takes the entries of one masked tensor out of the map.
class Entries {
 public:
  Entries(std::map<std::string, Tensor>& tensors, const std::string& name) : tensors_(tensors), name_(name) {}

  /// Undefined if there is none.
  Tensor take(const std::string& entry) {
    auto node = tensors_.extract(name_ + '.' + entry);
    return node.empty() ? Tensor() : node.mapped();
  }
  Tensor require(const char* entry) {
    Tensor tensor = take(entry);
    COPPICE_CHECK(tensor.defined(), "there must be a tensor '", name_, '.', entry, "'");
    return tensor;
  }
  Mask take_mask(const char* entry, const Shape& shape) {
    const Tensor bits = take(entry);
    return bits.defined() ? mask_of_bits(bits, shape, entry) : Mask();
  }
  /// Every `name.state.<key>` by key.
  std::map<std::string, Tensor> take_states() {
    const std::string prefix = name_ + ".state.";
    std::map<std::string, Tensor> states;
    for (auto next = tensors_.lower_bound(prefix); next != tensors_.end() && next->first.starts_with(prefix);) {
      states[next->first.substr(prefix.size())] = next->second;
      next = tensors_.erase(next);
    }
    return states;
  }

 private:
  std::map<std::string, Tensor>& tensors_;
  const std::string& name_;
};

Tensor join(Entries entries, const std::string& description) {
  const auto [shape, pattern] = parse_description(description);
  const WeightSets sets = {.alive = mask_of_bits(entries.require("alive"), shape, "alive"),
                           .trainable = entries.take_mask("trainable", shape),
                           .stateful = entries.take_mask("stateful", shape),
                           .awake = entries.take_mask("awake", shape),
                           .dormant = entries.take_mask("dormant", shape),
                           .pattern = pattern};
  const Tensor values = entries.require("values");
  const Tensor dormant_values = sets.dormant.defined() ? entries.require("dormant_values") : Tensor();
  // One zero seen as the whole shape: the file's claim of a large shape costs no memory.
  double zero = 0;
  Strides strides;
  for (int dim = 0; dim < shape.rank(); ++dim) strides.push_back(0);
  const Tensor masked = Tensor::masked(Tensor::from_blob(&zero, shape, strides, values.dtype()), Mask::none(shape));
  WeightState& state = masked.weight_state();
  state.restore(sets, values, dormant_values);
  for (const auto& [key, vector] : entries.take_states()) {
    Tensor& target = state.state(key);
    COPPICE_CHECK(vector.dtype() == target.dtype() && vector.shape() == target.shape(), "'state.", key, "' expects ",
                  target.dtype(), " ", target.shape(), "; got ", vector.dtype(), " ", vector.shape());
    target = vector;
  }
  return masked;
}

}  // namespace

/// Bit p % 64 of word p / 64 is bit p % 8 of byte p / 8 on a little-endian machine.
Tensor bits_of(const Mask& mask) {
  const Tensor bits = Tensor::empty({bytes_of_bits(mask.numel())}, {.dtype = kUInt8});
  if (bits.numel() > 0) std::memcpy(bits.raw_data(), mask.words().data(), static_cast<std::size_t>(bits.numel()));
  return bits;
}

Mask mask_of_bits(const Tensor& bits, const Shape& shape, const std::string& entry) {
  COPPICE_CHECK(bits.dtype() == kUInt8 && bits.dim() == 1 && bits.numel() == bytes_of_bits(shape.numel()), "'", entry,
                "' expects uint8 (", bytes_of_bits(shape.numel()), ") for ", shape, "; got ", bits.dtype(), " ",
                bits.shape());
  Buffer<std::uint64_t> words((bits.numel() + 7) / 8);
  if (words.size() > 0) {
    words[words.size() - 1] = 0;
    std::memcpy(words.data(), bits.raw_data(), static_cast<std::size_t>(bits.numel()));
  }
  return Mask::from_words(shape, std::move(words));
}

Safetensors split_masked(const Safetensors& content, const std::string& file) {
  Safetensors result;
  result.metadata = content.metadata;
  const auto add = [&](const std::string& name, const Tensor& tensor) {
    COPPICE_CHECK(result.tensors.emplace(name, tensor).second, "[safetensors] ", file, ": '", name,
                  "' is both a tensor and part of a masked one");
  };
  for (const auto& [name, tensor] : content.tensors) {
    if (!tensor.is_masked()) {
      add(name, tensor);
      continue;
    }
    const WeightState& state = tensor.weight_state();
    result.metadata[std::string(kPrefix) + name] = describe(state.shape(), state.pattern());
    add(name + ".alive", bits_of(state.alive()));
    add(name + ".values", WeightState::remap(state.values(), state.stored(), state.alive()));
    if (!(state.trainable() == state.alive())) add(name + ".trainable", bits_of(state.trainable()));
    if (!(state.stateful() == state.trainable())) add(name + ".stateful", bits_of(state.stateful()));
    if (state.awake().count() > 0) add(name + ".awake", bits_of(state.awake()));
    if (state.dormant().count() > 0) {
      add(name + ".dormant", bits_of(state.dormant()));
      add(name + ".dormant_values", state.dormant_values());
    }
    for (const auto& [key, vector] : state.states()) add(name + ".state." + key, vector);
  }
  return result;
}

Safetensors join_masked(Safetensors content, const std::string& file) {
  for (auto next = content.metadata.lower_bound(std::string(kPrefix));
       next != content.metadata.end() && next->first.starts_with(kPrefix);) {
    const std::string name = next->first.substr(kPrefix.size());
    Tensor masked;
    try {
      masked = join(Entries(content.tensors, name), next->second);
    } catch (const Error& error) {
      fail("[safetensors] ", file, ": masked tensor '", name.substr(0, 80), "': ", error.what());
    }
    COPPICE_CHECK(content.tensors.emplace(name, masked).second, "[safetensors] ", file, ": '", name.substr(0, 80),
                  "' must be either a tensor or a masked one; got both");
    next = content.metadata.erase(next);
  }
  return content;
}

}  // namespace coppice::detail
