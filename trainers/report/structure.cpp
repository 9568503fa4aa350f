#include <algorithm>
#include <array>
#include <map>

#include <coppice/sparsity/cycle.h>
#include <coppice/trainers/report/format.h>
#include <coppice/trainers/report/sections.h>

namespace coppice::train::report {
namespace {

constexpr double kWidth = 360.0;
constexpr int kShades = 8;

double share(std::int64_t part, std::int64_t whole) {
  return static_cast<double>(part) / static_cast<double>(std::max<std::int64_t>(1, whole));
}

bool has_mask(const Cell& cell) { return !cell.runs.front()->policy.empty() && !cell.runs.front()->layers.empty(); }

/// Methods whose layers begin and end with the same densities.
struct Profile {
  std::vector<LayerResult> layers{};
  std::vector<std::string> methods{};
};

std::vector<Profile> profiles_of(const std::vector<Cell>& cells) {
  std::vector<Profile> profiles;
  for (const Cell& cell : cells) {
    if (!has_mask(cell)) continue;
    const std::vector<LayerResult>& layers = cell.runs.front()->layers;
    const auto same = [&](const Profile& profile) {
      return std::ranges::equal(profile.layers, layers, [](const LayerResult& a, const LayerResult& b) {
        return a.name == b.name && a.alive_at_start == b.alive_at_start && a.alive == b.alive;
      });
    };
    const auto found = std::ranges::find_if(profiles, same);
    if (found != profiles.end()) {
      found->methods.push_back(cell.method);
    } else {
      profiles.push_back({.layers = layers, .methods = {cell.method}});
    }
  }
  return profiles;
}

std::string joined(const std::vector<std::string>& names) {
  std::string text;
  for (const std::string& name : names) text += concat(text.empty() ? "" : ", ", name);
  return text;
}

/// Bars of one profile: what a layer ends with, and outlined what it began with.
void draw_densities(Markup& page, const Context& context, double sparsity, const Profile& profile, bool alone) {
  constexpr double kLeft = 112.0;
  constexpr double kRight = 290.0;
  constexpr double kRow = 26.0;
  const double bottom = 6.0 + kRow * static_cast<double>(profile.layers.size());
  const Scale scale(Stretch::Linear, 0.0, 1.0, kLeft, kRight);
  page.open("figure").open("figcaption").text(sparsity_name(sparsity)).text(" ");
  page.element("span", {{"class", "soft"}}, alone ? "all methods with a mask" : joined(profile.methods)).close();
  open_svg(
      page, kWidth, bottom + 34.0, concat("Density of each layer at ", sparsity_name(sparsity)),
      "One bar for each layer: the share of its weights that live at the end. The outline is the share at the start.");
  for (const Tick& tick : readable_ticks({.as_percent = true}, scale, false)) {
    const double x = scale(tick.value);
    draw_path(page, "grid", Path().move(x, 2.0).down(bottom));
    draw_text(page, x, bottom + 14.0, tick.label, Anchor::Middle, "soft");
  }
  page.open("g", {{"class", colour_class(alone ? Style{.colour = 4} : context.styles(profile.methods.front()))}});
  for (std::size_t l = 0; l < profile.layers.size(); ++l) {
    const LayerResult& layer = profile.layers[l];
    const double top = 8.0 + kRow * static_cast<double>(l);
    const double end = share(layer.alive, layer.weights);
    const double start = share(layer.alive_at_start, layer.weights);
    page.open("g").element("title", concat(layer.name, ": ", grouped(layer.alive), " of ", grouped(layer.weights),
                                           " weights at the end, ", grouped(layer.alive_at_start), " at the start"));
    draw_path(page, "fill", Path().box(kLeft, top, scale(end) - kLeft, 14.0));
    draw_path(page, "axis", Path().box(kLeft, top - 1.0, scale(start) - kLeft, 16.0));
    draw_text(page, kLeft - 6.0, top + 11.0, layer.name, Anchor::End);
    draw_text(page, kRight + 6.0, top + 11.0, concat(fixed(100.0 * end, 2), " %"));
    page.close();
  }
  page.close();
  draw_text(page, 0.5 * (kLeft + kRight), bottom + 29.0, "alive (% of the layer)", Anchor::Middle);
  page.close().close();
}

void write_densities(Markup& page, const Context& context) {
  if (std::ranges::none_of(context.cells, has_mask)) return;
  page.element("h3", "Density of each layer");
  page.element(
      "p", {{"class", "soft"}},
      "The share of a layer's weights that live at the end of training (bar) and at its start (outline), first "
      "seed. Where bar and outline agree, a method exchanges weights inside each layer only.");
  std::vector<std::pair<double, std::vector<Profile>>> shown;
  std::size_t figures = 0;
  for (const double sparsity : context.sparsities) {
    shown.emplace_back(sparsity, profiles_of(at_sparsity(context.cells, sparsity)));
    figures += shown.back().second.size();
  }
  page.open("div", {{"class", grid_class(figures)}});
  for (const auto& [sparsity, profiles] : shown) {
    for (const Profile& profile : profiles) draw_densities(page, context, sparsity, profile, profiles.size() == 1);
  }
  page.close();
}

/// Runs of equal shade as one path each: a picture in a few kilobytes.
void draw_picture(Markup& page, const RunResult& run, std::int64_t height, std::int64_t width, std::int64_t most) {
  std::array<Path, kShades + 1> paths;
  for (std::int64_t y = 0; y < height; ++y) {
    for (std::int64_t x = 0; x < width;) {
      const auto shade_at = [&](std::int64_t column) {
        const std::int64_t alive = run.alive_per_input[static_cast<std::size_t>(y * width + column)];
        if (alive == 0) return std::int64_t{0};
        return std::clamp<std::int64_t>((kShades * alive + most / 2) / most, 1, kShades);
      };
      const std::int64_t shade = shade_at(x);
      std::int64_t end = x + 1;
      while (end < width && shade_at(end) == shade) ++end;
      paths[static_cast<std::size_t>(shade)].box(static_cast<double>(x), static_cast<double>(y),
                                                 static_cast<double>(end - x), 1.0);
      x = end;
    }
  }
  page.open("figure");
  open_svg(page, static_cast<double>(width), static_cast<double>(height),
           concat(run.method, ": live weights of the first layer by pixel"), "");
  for (std::size_t shade = 1; shade < paths.size(); ++shade) {
    if (paths[shade].empty()) continue;
    page.leaf("path", {{"class", "fill"},
                       {"shape-rendering", "crispEdges"},
                       {"opacity", fixed(static_cast<double>(shade) / kShades, 3)},
                       {"d", paths[shade].data()}});
  }
  page.close().open("figcaption").breakable(run.method).close().close();
}

bool has_picture(const Cell& cell, const Results& results) {
  const auto pixels = static_cast<std::size_t>(results.image_height * results.image_width);
  return pixels > 0 && cell.runs.front()->alive_per_input.size() == pixels;
}

void write_pictures(Markup& page, const Context& context) {
  if (context.comparison.parts.empty()) return;
  const Results& results = context.comparison.parts.front().results;
  const auto drawn = [&](const Cell& cell) { return has_picture(cell, results); };
  if (std::ranges::none_of(context.cells, drawn)) return;
  page.element("h3", "What the first layer looks at");
  page.element(
      "p", {{"class", "soft"}},
      "Each picture has the shape of an input image. The stronger its tone, the more weights of the first layer read "
      "it at the end of training (first seed); empty pixels are read by none. One scale for each sparsity.");
  for (const double sparsity : context.sparsities) {
    std::vector<const RunResult*> runs;
    std::int64_t most = 1;
    for (const Cell& cell : at_sparsity(context.cells, sparsity)) {
      if (!drawn(cell)) continue;
      runs.push_back(cell.runs.front());
      most = std::max(most, *std::ranges::max_element(cell.runs.front()->alive_per_input));
    }
    if (runs.empty()) continue;
    page.open("p").element("strong", sparsity_name(sparsity));
    page.element("span", {{"class", "soft"}}, concat(": full tone where ", grouped(most), " weights read a pixel"))
        .close();
    page.open("div", {{"class", "pictures"}});
    for (const RunResult* run : runs) draw_picture(page, *run, results.image_height, results.image_width, most);
    page.close();
  }
}

/// Stretches of one phase as [from, to) in steps.
struct Stretches {
  sparsity::Phase phase = sparsity::Phase::Fixed;
  std::int64_t from = 0;
  std::int64_t to = 0;
};

std::vector<Stretches> phases_of(const RunResult& run) {
  const sparsity::MaskPolicy policy = policy_of(run);
  std::vector<Stretches> phases;
  for (std::int64_t step = 0; step < run.steps; ++step) {
    const sparsity::Phase phase = sparsity::cycle_step(policy, step, run.steps).phase;
    if (phases.empty() || phases.back().phase != phase) phases.push_back({phase, step, step});
    phases.back().to = step + 1;
  }
  return phases;
}

const char* colour_of(sparsity::Phase phase) {
  switch (phase) {
    case sparsity::Phase::Importance: return "c4";
    case sparsity::Phase::Accuracy: return "c3";
    case sparsity::Phase::Exploration: return "c5";
    case sparsity::Phase::Update: return "c0";
    case sparsity::Phase::Fixed: return "quiet";
  }
  return "c0";
}

void draw_timeline(Markup& page, const std::vector<const RunResult*>& runs) {
  constexpr double kLeft = 8.0;
  constexpr double kRight = 352.0;
  constexpr double kRow = 42.0;
  const double bottom = kRow * static_cast<double>(runs.size());
  page.open("figure");
  open_svg(page, kWidth, bottom + 32.0, "Phases of the training",
           "One strip for each method, from the first to the last step, coloured by phase.");
  for (std::size_t i = 0; i < runs.size(); ++i) {
    const RunResult& run = *runs[i];
    const Scale scale(Stretch::Linear, 0.0, static_cast<double>(run.steps), kLeft, kRight);
    const double top = kRow * static_cast<double>(i);
    std::map<std::string_view, Path> paths;
    for (const Stretches& stretch : phases_of(run)) {
      // An update that takes one iteration of its own would be too thin to see.
      const double least = stretch.phase == sparsity::Phase::Update ? 0.7 : 0.0;
      const double from = scale(static_cast<double>(stretch.from));
      const double width = std::max(least, scale(static_cast<double>(stretch.to)) - from);
      paths.try_emplace(colour_of(stretch.phase), 2).first->second.box(from, top + 18.0, width, 14.0);
    }
    draw_text(page, kLeft, top + 12.0, run.method);
    draw_text(
        page, kRight, top + 12.0,
        concat(counted(static_cast<std::int64_t>(run.updates.size()), "update"), " in ", grouped(run.steps), " steps"),
        Anchor::End, "soft");
    for (const auto& [colour, path] : paths) {
      page.open("g", {{"class", std::string(colour)}});
      draw_path(page, "fill", path);
      page.close();
    }
  }
  const Scale share_scale(Stretch::Linear, 0.0, 1.0, kLeft, kRight);
  for (const Tick& tick : readable_ticks({.as_percent = true}, share_scale, false)) {
    const Anchor anchor = tick.value == 0.0 ? Anchor::Start : tick.value == 1.0 ? Anchor::End : Anchor::Middle;
    draw_text(page, share_scale(tick.value), bottom + 8.0, tick.label, anchor, "soft");
  }
  draw_text(page, 0.5 * (kLeft + kRight), bottom + 26.0, "share of the training (%)", Anchor::Middle);
  page.close().close();
}

void write_timeline(Markup& page, const Context& context) {
  for (const double sparsity : context.sparsities) {
    std::vector<const RunResult*> runs;
    for (const Cell& cell : at_sparsity(context.cells, sparsity)) {
      const RunResult& run = *cell.runs.front();
      if (!run.updates.empty() && !run.policy.empty()) runs.push_back(&run);
    }
    if (runs.empty()) continue;
    page.element("h3", "When masks change, and when they explore");
    page.element("p", {{"class", "soft"}},
                 concat("The phases of one training of each method (", sparsity_name(sparsity),
                        ", first seed). Exploration steps train every pruned weight, so they cost about as much as "
                        "dense ones."));
    page.open("ul", {{"class", "legend"}});
    const std::array<std::pair<sparsity::Phase, const char*>, 5> names = {
        {{sparsity::Phase::Importance, "training before a drop (H)"},
         {sparsity::Phase::Accuracy, "training after it (J)"},
         {sparsity::Phase::Exploration, "exploration (Q)"},
         {sparsity::Phase::Update, "a step for the mask only"},
         {sparsity::Phase::Fixed, "structure fixed"}}};
    for (const auto& [phase, name] : names) {
      page.open("li", {}).open("svg", {{"viewBox", "0 0 34 12"}, {"aria-hidden", "true"}});
      page.open("g", {{"class", colour_of(phase)}});
      page.leaf("rect", {{"class", "fill"}, {"x", "8"}, {"y", "0"}, {"width", "18"}, {"height", "12"}});
      page.close().close().text(name).close();
    }
    page.close().open("div", {{"class", grid_class(1)}});
    draw_timeline(page, runs);
    page.close();
    return;  // phases are the same at every sparsity
  }
}

}  // namespace

void write_structure(Markup& page, const Context& context) {
  if (std::ranges::none_of(context.cells, [](const Cell& cell) { return !cell.runs.front()->policy.empty(); })) return;
  page.element("h2", {{"id", "structure"}}, "Which weights live");
  write_densities(page, context);
  write_pictures(page, context);
  write_timeline(page, context);
}

}  // namespace coppice::train::report
