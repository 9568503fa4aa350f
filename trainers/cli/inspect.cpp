#include <cstdio>
#include <memory>

#include <coppice/trainers/cli/commands.h>
#include <coppice/trainers/data/image.h>
#include <coppice/trainers/inspect/inspect.h>

namespace coppice::train::cli {
namespace {

struct Arguments {
  std::string file;
  std::string picture;
  bool json = false;
};

int run(const Arguments& arguments) {
  const Inspection inspection = inspect(arguments.file);
  const std::string text = arguments.json ? to_json(inspection) : to_text(inspection);
  std::fwrite(text.data(), 1, text.size(), stdout);
  if (arguments.picture == "-") {
    std::printf("\n%s", mask_text(inspection).c_str());
  } else if (!arguments.picture.empty()) {
    write_png(arguments.picture, mask_picture(inspection));
  }
  return 0;
}

}  // namespace

void add_inspect(CLI::App& app, Context& context) {
  CLI::App* inspect = app.add_subcommand(
      "inspect", "Say what is in a safetensors or torch.save file, checkpoint, NumPy array, idx file or results.json");
  auto arguments = std::make_shared<Arguments>();
  inspect->add_option("file", arguments->file, "the file")->required();
  inspect->add_option("--picture", arguments->picture, "write the masks as this PNG; -: show them in characters");
  inspect->add_flag("--json", arguments->json, "as JSON");
  inspect->footer("Example:\n  coppice inspect model.safetensors --picture masks.png");
  inspect->callback([arguments, &context] { context.run = [arguments] { return run(*arguments); }; });
}

}  // namespace coppice::train::cli
