#include <coppice/trainers/interchange/weights.h>

#include <coppice/core/io/pth.h>
#include <coppice/core/io/safetensors.h>
#include <coppice/trainers/checkpoint.h>

namespace coppice::train {

std::size_t export_weights(const std::filesystem::path& file, const std::filesystem::path& out, PrunedView view) {
  const bool foreign = is_pth(file);
  Safetensors content = foreign ? Safetensors{.tensors = join_pruned(load_pth(file).tensors)} : load_safetensors(file);
  if (content.metadata.contains("coppice.checkpoint")) {
    constexpr std::string_view kModel = "model.";
    content = {.tensors = {}, .metadata = {}};
    for (const auto& [name, tensor] : load_checkpoint(file).tensors) {
      if (name.starts_with(kModel)) content.tensors[name.substr(kModel.size())] = tensor;
    }
  }
  const Safetensors written{.tensors = split_pruned(content.tensors, view), .metadata = {{"format", "pt"}}};
  if (out.extension() == ".pth" || out.extension() == ".pt") {
    save_pth(out, written.tensors);
  } else {
    save_safetensors(out, written);
  }
  return written.tensors.size();
}

}  // namespace coppice::train
