#pragma once

#include <string>

#include <coppice/core/export.h>
#include <coppice/ops/plan.h>

namespace coppice::train {

/// Reads a plan and checks it (Plan::check); `none` is the empty one. Throws `[Plan] file: …`.
COPPICE_API Plan read_plan(const std::string& file);

/// What a user should know of a plan made for another instruction set than this process computes with; empty where
/// there is nothing to say.
COPPICE_API std::string foreign_plan(const Plan& plan);

/// The same of problems in the scope's plan that never came.
COPPICE_API std::string unmet_problems(const PlanScope& scope);

}  // namespace coppice::train
