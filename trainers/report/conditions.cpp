#include <coppice/trainers/report/format.h>
#include <coppice/trainers/report/sections.h>

namespace coppice::train::report {
namespace {

void write_fact(Markup& page, const std::string& name, const std::string& value) {
  page.open("tr").element("th", {{"scope", "row"}}, name).element("td", value).close();
}

void write_part(Markup& page, const Part& part) {
  const Results& results = part.results;
  const Environment& environment = results.environment;
  page.element("h3", part.name).element("code", {{"class", "command"}}, results.command);
  page.open("div", {{"class", "scroll"}}).open("table", {{"class", "facts"}}).open("tbody");
  write_fact(page, "processor",
             concat(environment.cpu, ", ", counted(environment.processors, "processor"), " usable; instruction set ",
                    environment.isa));
  write_fact(page, "trainings",
             concat(counted(results.jobs, "training"), " side by side, ", counted(results.threads_per_run, "thread"),
                    " each; ", fixed(results.wall_seconds, 0), " s altogether"));
  write_fact(page, "program",
             concat("coppice ", environment.version, ", ", environment.compiler, ", ", environment.build, ", ",
                    environment.device));
  write_fact(page, "source",
             environment.commit.empty()
                 ? "no commit known"
                 : concat("commit ", environment.commit, environment.dirty ? ", with changes on top of it" : ""));
  write_fact(page, "data",
             concat(results.dataset, ": ", grouped(results.train_images), " training, ",
                    grouped(results.validation_images), " validation and ", grouped(results.test_images),
                    " test images; the test images are looked at once, after training"));
  for (const auto& [what, sum] : results.checksums) write_fact(page, concat("SHA-256 of ", what), sum);
  for (const auto& [name, value] : results.options) write_fact(page, name, value);
  page.close().close().close();
}

void write_policies(Markup& page, const Context& context) {
  bool any = false;
  for (const Cell& cell : context.cells) {
    if (context.sparsities.empty() || cell.sparsity != context.sparsities.front()) continue;
    const RunResult& run = *cell.runs.front();
    if (run.policy.empty()) continue;
    if (!any) page.element("h3", concat("Mask policies, as resolved at ", sparsity_name(cell.sparsity)));
    any = true;
    page.open("details").element("summary", run.method);
    page.open("div", {{"class", "scroll"}}).open("table", {{"class", "facts"}}).open("tbody");
    for (const auto& [name, value] : run.policy) write_fact(page, name, value);
    page.close().close().close().close();
  }
}

}  // namespace

void write_conditions(Markup& page, const Context& context) {
  page.element("h2", {{"id", "conditions"}}, "Conditions of the run");
  if (context.comparison.parts.empty()) {
    page.element("p", "All rows come from tables of other tools; what they were made under is not recorded.");
  }
  for (const Part& part : context.comparison.parts) write_part(page, part);
  write_policies(page, context);
}

void write_words(Markup& page) {
  static const std::vector<std::pair<const char*, const char*>> words = {
      {"sparsity, density",
       "the share of weights that are zero, and the share that is kept: 95 % sparsity is 5 % density."},
      {"mask", "which weights are kept. Weights in the mask are alive, all others are pruned."},
      {"update", "a change of the mask: some weights are dropped, as many are grown elsewhere."},
      {"exploration",
       "a stretch of steps in which pruned weights are trained, with the kept ones frozen, to see which "
       "would become large."},
      {"H, J, Q", "lengths of the phases of a cycle in steps: before the drop, after it, and exploration."},
      {"ERK", "Erdős–Rényi–kernel: spreads density over layers so that small layers keep a larger share."},
      {"effective training FLOPs", "floating-point operations that live weights need; a multiply-add counts two."},
      {"seed",
       "one number that fixes initial weights, order of images and first mask. Methods are compared at equal seeds."},
      {"95 % interval", "Student's t-interval of the mean of paired differences. With few seeds it is wide."},
      {"within noise", "the interval contains zero: these seeds do not tell the two apart."},
      {"IoU", "intersection over union of two masks: shared weights over those in either."},
      {"R_s", "the share of weights that were in the mask at least once."},
      {"±", "one standard deviation over seeds (of the sample), not an interval of the mean."},
  };
  page.element("h2", {{"id", "words"}}, "Words").open("dl");
  for (const auto& [word, meaning] : words) page.element("dt", word).element("dd", meaning);
  page.close();
}

}  // namespace coppice::train::report
