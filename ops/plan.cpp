#include <coppice/ops/plan.h>

#include <algorithm>
#include <cstdlib>
#include <fstream>

#include <coppice/core/error.h>
#include <coppice/core/io/atomic_file.h>
#include <coppice/ops/candidate_registry.h>

namespace coppice {

namespace {

thread_local PlanScope* innermost_scope = nullptr;
thread_local PlanRecorder* innermost_recorder = nullptr;

constexpr std::size_t kMostBytes = std::size_t{16} << 20;

std::string_view trimmed(std::string_view text) {
  constexpr std::string_view kSpace = " \t\r";
  const std::size_t first = text.find_first_not_of(kSpace);
  if (first == std::string_view::npos) return {};
  return text.substr(first, text.find_last_not_of(kSpace) - first + 1);
}

}  // namespace

Plan Plan::parse(std::string_view text, const std::string& file) {
  const std::string where = file.empty() ? "" : file + ": ";
  Plan plan;
  for (std::size_t number = 1; !text.empty(); ++number) {
    const std::size_t end = std::min(text.find('\n'), text.size());
    const std::string_view line = trimmed(text.substr(0, end));
    text.remove_prefix(std::min(end + 1, text.size()));
    if (line.empty() || line.front() == '#') continue;
    const bool is_condition = line.front() == '@';
    const std::size_t equals = line.find('=');
    const std::string_view key = trimmed(line.substr(is_condition, std::min(equals, line.size()) - is_condition));
    const std::string_view value = equals == std::string_view::npos ? "" : trimmed(line.substr(equals + 1));
    COPPICE_CHECK(!key.empty() && (!value.empty() || (is_condition && equals != std::string_view::npos)), "[Plan] ",
                  where, "line ", number, " expects `problem = candidate`; got: ", line.substr(0, 80));
    COPPICE_CHECK((is_condition ? plan.conditions_ : plan.entries_).emplace(key, value).second, "[Plan] ", where,
                  "line ", number, " gives a ", is_condition ? "condition" : "problem",
                  " for the second time: ", key.substr(0, 200));
  }
  return plan;
}

Plan Plan::load(const std::string& path) {
  std::ifstream file(path, std::ios::binary);
  std::string text(kMostBytes + 1, '\0');
  COPPICE_CHECK(file, "[Plan] cannot read ", path);
  file.read(text.data(), static_cast<std::streamsize>(text.size()));
  COPPICE_CHECK(!file.bad() && (file.gcount() > 0 || file.eof()), "[Plan] cannot read ", path);
  text.resize(static_cast<std::size_t>(file.gcount()));
  COPPICE_CHECK(text.size() <= kMostBytes, "[Plan] ", path, " is longer than any plan: above 16 MiB");
  return parse(text, path);
}

void Plan::save(const std::string& path) const { save_text(path, to_string()); }

std::string Plan::to_string() const {
  std::string text;
  const auto add = [&](const char* mark, const std::map<std::string, std::string>& entries) {
    for (const auto& [key, value] : entries) {
      text += mark;
      text += key;
      text += " = ";
      text += value;
      text += '\n';
    }
  };
  add("@", conditions_);
  add("", entries_);
  return text;
}

const std::string* Plan::find(const std::string& key) const {
  const auto entry = entries_.find(key);
  return entry == entries_.end() ? nullptr : &entry->second;
}

PlanScope::PlanScope(const Plan& plan) : plan_(plan), outer_(innermost_scope) { innermost_scope = this; }
PlanScope::~PlanScope() { innermost_scope = outer_; }

PlanRecorder::PlanRecorder() : outer_(innermost_recorder) { innermost_recorder = this; }
PlanRecorder::~PlanRecorder() { innermost_recorder = outer_; }

std::vector<std::string> PlanScope::unmet() const {
  std::vector<std::string> keys;
  for (const auto& [key, candidate] : plan_.entries()) {
    if (!met_.contains(key)) keys.push_back(key);
  }
  return keys;
}

bool has_plan() { return innermost_scope != nullptr && !innermost_scope->plan_.entries().empty(); }

const std::string* planned_candidate(const std::string& key) {
  const auto& entries = innermost_scope->plan_.entries();
  const auto entry = entries.find(key);
  if (entry == entries.end()) return nullptr;
  innermost_scope->met_.insert(entry->first);
  return &entry->second;
}

bool is_recording_plan() { return innermost_recorder != nullptr; }

void note_choice(const std::string& key, const char* candidate) {
  for (PlanRecorder* recorder = innermost_recorder; recorder != nullptr; recorder = recorder->outer_) {
    recorder->plan_.set(key, candidate);
  }
}

const char* pass_name(FlopPhase phase) {
  switch (phase) {
    case FlopPhase::Forward: return "forward";
    case FlopPhase::DataGradient: return "data_gradient";
    case FlopPhase::WeightGradient: break;
  }
  return "weight_gradient";
}

std::string_view forced_candidate(std::string_view op) {
  static const std::string forced = [] {
    const char* const value = std::getenv("COPPICE_KERNEL");
    return std::string(value == nullptr ? "" : value);
  }();
  const std::string_view view = forced;
  const bool ours = view.size() > op.size() && view.substr(0, op.size()) == op && view[op.size()] == '/';
  return ours ? view.substr(op.size() + 1) : std::string_view();
}

}  // namespace coppice
