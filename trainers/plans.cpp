#include <coppice/trainers/plans.h>

#include <vector>

#include <coppice/core/error.h>
#include <coppice/trainers/environment.h>

namespace coppice::train {

Plan read_plan(const std::string& file) {
  if (file == "none") return {};
  const Plan plan = Plan::load(file);
  try {
    plan.check();
  } catch (const Error& error) {
    detail::fail(file, ": ", error.what());
  }
  return plan;
}

std::string foreign_plan(const Plan& plan) {
  const auto made_for = plan.conditions().find("isa");
  const std::string isa = current_environment().isa;
  if (made_for == plan.conditions().end() || made_for->second == isa) return {};
  std::string note = "the plan was made for ";
  note += made_for->second;
  note += ", and kernels run on ";
  note += isa;
  note += " here: they may not be the fastest";
  return note;
}

std::string unmet_problems(const PlanScope& scope) {
  const std::vector<std::string> unmet = scope.unmet();
  if (unmet.empty()) return {};
  std::string note = "problems of the plan that never came: ";
  note += std::to_string(unmet.size());
  note += ", the first ";
  note += unmet.front();
  return note;
}

}  // namespace coppice::train
