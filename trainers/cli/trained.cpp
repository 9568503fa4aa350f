#include <coppice/trainers/cli/trained.h>

#include <cstdio>
#include <string>
#include <utility>

#include <coppice/core/error.h>

namespace coppice::train::cli {

Checkpoint open_checkpoint(const std::filesystem::path& path) {
  if (!std::filesystem::is_directory(path)) return load_checkpoint(path);
  const std::filesystem::path below = path / "checkpoints";
  LatestCheckpoint latest = latest_checkpoint(std::filesystem::is_directory(below) ? below : path);
  for (const std::string& warning : latest.warnings)
    std::fprintf(stderr, "coppice: passed over: %s\n", warning.c_str());
  COPPICE_CHECK(latest.checkpoint, path.string(), " holds no checkpoint that can be read");
  return std::move(*latest.checkpoint);
}

}  // namespace coppice::train::cli
