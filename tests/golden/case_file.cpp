#include "tests/golden/case_file.h"

#include <limits>

#include <nlohmann/json.hpp>

#include <coppice/core/error.h>
#include <coppice/core/io/safetensors.h>

namespace coppice::golden {

using nlohmann::json;

Options::Options(const json& options)
    : json_(std::make_shared<const json>(options)), read_(std::make_shared<std::map<std::string, bool>>()) {
  for (const auto& [key, value] : options.items()) (*read_)[key] = false;
}

bool Options::has(const std::string& key) const { return json_->contains(key); }

const json& Options::at(const std::string& key) const {
  COPPICE_CHECK(has(key), "[golden] the case has no option ", key, "; got ", to_string());
  (*read_)[key] = true;
  return json_->at(key);
}

std::int64_t Options::integer(const std::string& key) const { return at(key).get<std::int64_t>(); }
double Options::number(const std::string& key) const {
  const json& value = at(key);
  return value == "inf" ? std::numeric_limits<double>::infinity() : value.get<double>();
}
bool Options::flag(const std::string& key) const { return at(key).get<bool>(); }
std::string Options::text(const std::string& key) const { return at(key).get<std::string>(); }

Scalar Options::scalar(const std::string& key) const {
  const json& value = at(key);
  if (value.is_number_float()) return Scalar(value.get<double>());
  return Scalar(value.get<std::int64_t>());
}

std::vector<std::int64_t> Options::integers(const std::string& key) const {
  return at(key).get<std::vector<std::int64_t>>();
}

std::vector<double> Options::numbers(const std::string& key) const { return at(key).get<std::vector<double>>(); }

std::vector<std::string> Options::texts(const std::string& key) const {
  return at(key).get<std::vector<std::string>>();
}

std::array<std::int64_t, 2> Options::pair(const std::string& key) const {
  return at(key).get<std::array<std::int64_t, 2>>();
}

std::vector<std::string> Options::unread() const {
  std::vector<std::string> keys;
  for (const auto& [key, read] : *read_) {
    if (!read) keys.push_back(key);
  }
  return keys;
}

std::string Options::to_string() const { return json_->dump(); }

Tensor Case::operand(std::size_t index) const {
  Tensor tensor = bases[index];
  if (views[index].empty()) return tensor;
  for (const json& view : json::parse(views[index])) {
    const auto name = view.at(0).get<std::string>();
    if (name == "slice") {
      tensor = tensor.slice(view.at(1).get<int>(), view.at(2), view.at(3), view.at(4));
      continue;
    }
    const Dims dims(view.at(1).get<std::vector<std::int64_t>>());
    COPPICE_CHECK(name == "permute" || name == "expand", "[golden] expects slice, permute or expand; got ", name);
    tensor = name == "permute" ? tensor.permute(dims) : tensor.expand(Shape(dims));
  }
  return tensor;
}

std::filesystem::path values_folder() { return std::filesystem::path(COPPICE_SOURCE_DIR) / "tests/golden/values"; }

std::vector<Case> load_cases(const std::filesystem::path& file) {
  const Safetensors content = load_safetensors(file);
  const auto find = [&](const std::string& name) {
    const auto found = content.tensors.find(name);
    return found == content.tensors.end() ? Tensor() : found->second;
  };
  std::vector<Case> cases;
  for (const json& entry : json::parse(content.metadata.at("cases"))) {
    Case made{.op = entry.at("op"),
              .options = Options(entry.value("options", json::object())),
              .ulps = entry.value("ulps", 0.0)};
    const std::string prefix = std::to_string(cases.size()) + ".";
    const json views = entry.value("views", json::object());
    for (std::size_t i = 0; i < entry.at("inputs").get<std::size_t>(); ++i) {
      const std::string index = std::to_string(i);
      made.bases.push_back(find(prefix + "input" + index));
      made.views.push_back(views.contains(index) ? views.at(index).dump() : "");
      const std::string gradient = prefix + "gradient" + index;
      if (const Tensor value = find(gradient); value.defined()) {
        made.gradients[i] = {value, find(gradient + ".magnitude")};
      }
    }
    for (std::size_t i = 0;; ++i) {
      const std::string output = prefix + "output" + std::to_string(i);
      const Tensor value = find(output);
      if (!value.defined()) break;
      made.outputs.push_back({value, find(output + ".magnitude")});
    }
    cases.push_back(std::move(made));
  }
  return cases;
}

Tensor projection(const Shape& shape, std::size_t output, DType dtype) {
  std::vector<double> values(static_cast<std::size_t>(shape.numel()));
  for (std::size_t i = 0; i < values.size(); ++i) {
    const std::uint64_t hash = (i + 7919 * output + 1) * 2654435761U % (std::uint64_t{1} << 32) >> 16;
    values[i] = static_cast<double>(hash) / 32768 - 1;
  }
  return Tensor::of(values, shape).to(dtype);
}

}  // namespace coppice::golden
