#include <coppice/trainers/interchange/weights.h>

#include <coppice/core/io/safetensors.h>
#include <coppice/trainers/checkpoint.h>

namespace coppice::train {

std::size_t export_weights(const std::filesystem::path& file, const std::filesystem::path& out, PrunedView view) {
  Safetensors content = load_safetensors(file);
  if (content.metadata.contains("coppice.checkpoint")) {
    constexpr std::string_view kModel = "model.";
    content = {.tensors = {}, .metadata = {}};
    for (const auto& [name, tensor] : load_checkpoint(file).tensors) {
      if (name.starts_with(kModel)) content.tensors[name.substr(kModel.size())] = tensor;
    }
  }
  const Safetensors written{.tensors = split_pruned(content.tensors, view), .metadata = {{"format", "pt"}}};
  save_safetensors(out, written);
  return written.tensors.size();
}

}  // namespace coppice::train
