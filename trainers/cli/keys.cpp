#include <cstdio>

#include <coppice/trainers/cli/commands.h>

namespace coppice::train::cli {

std::pair<std::string, std::string> key_and_value(const std::string& setting) {
  const std::size_t equals = setting.find('=');
  if (equals == std::string::npos) throw UsageError("--set expects KEY=VALUE; got " + setting);
  return {setting.substr(0, equals), setting.substr(equals + 1)};
}

void print_keys(const std::vector<RecipeKey>& keys) {
  for (const RecipeKey& key : keys) {
    std::printf("%s = %s\n    %s%s%s\n", key.key.c_str(), key.value.c_str(), key.expects.c_str(),
                key.help.empty() ? "" : ": ", key.help.c_str());
  }
}

}  // namespace coppice::train::cli
