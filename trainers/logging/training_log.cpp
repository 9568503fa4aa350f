#include <coppice/trainers/logging/training_log.h>

#include <string>
#include <string_view>
#include <utility>

#include <coppice/core/error.h>
#include <coppice/core/io/atomic_file.h>
#include <nlohmann/json.hpp>

namespace coppice::train {
namespace {

using Json = nlohmann::ordered_json;

/// Every column with its value; null where there is none.
std::vector<std::pair<std::string_view, Json>> columns(const EpochRecord& record) {
  const auto& validation = record.validation;
  return {{"step", record.step},
          {"epoch", record.epoch},
          {"learning_rate", record.learning_rate},
          {"train_loss", record.loss},
          {"train_accuracy", record.accuracy},
          {"validation_loss", validation ? Json(validation->loss) : Json()},
          {"validation_accuracy", validation ? Json(validation->accuracy) : Json()},
          {"seconds", record.seconds},
          {"effective_flops", record.effective_flops}};
}

std::string json_line(const EpochRecord& record) {
  Json line = Json::object();
  for (const auto& [name, value] : columns(record)) {
    if (!value.is_null()) line[std::string(name)] = value;
  }
  return line.dump() + '\n';
}

std::string csv_head() {
  std::string line;
  for (const auto& [name, value] : columns({})) line.append(line.empty() ? "" : ",").append(name);
  return line + '\n';
}

std::string csv_line(const EpochRecord& record) {
  std::string line;
  for (const auto& [name, value] : columns(record)) {
    if (!line.empty()) line += ',';
    if (!value.is_null()) line += value.dump();
  }
  return line + '\n';
}

/// A file with that text, open for more.
std::ofstream begin(const std::filesystem::path& path, const std::string& text) {
  save_text(path, text);
  std::ofstream out(path, std::ios::binary | std::ios::app);
  COPPICE_CHECK(out, "[TrainingLog] cannot open ", path.string());
  return out;
}

std::ofstream begin_json(const std::filesystem::path& directory, const std::vector<EpochRecord>& so_far) {
  std::filesystem::create_directories(directory);
  std::string text;
  for (const EpochRecord& record : so_far) text += json_line(record);
  return begin(directory / "log.jsonl", text);
}

std::ofstream begin_csv(const std::filesystem::path& directory, const std::vector<EpochRecord>& so_far) {
  std::string text = csv_head();
  for (const EpochRecord& record : so_far) text += csv_line(record);
  return begin(directory / "log.csv", text);
}

}  // namespace

TrainingLog::TrainingLog(const std::filesystem::path& directory, const std::vector<EpochRecord>& so_far)
    : json_(begin_json(directory, so_far)),
      csv_(begin_csv(directory, so_far)),
      events_(directory / "events", so_far.empty() ? 0 : so_far.back().step + 1) {}

void TrainingLog::add(const EpochRecord& record) {
  json_ << json_line(record) << std::flush;
  csv_ << csv_line(record) << std::flush;
  COPPICE_CHECK(json_ && csv_, "[TrainingLog] cannot write log.jsonl or log.csv; is the disk full?");
  events_.scalar("loss/train", record.step, record.loss);
  events_.scalar("accuracy/train", record.step, record.accuracy);
  if (record.validation) {
    events_.scalar("loss/validation", record.step, record.validation->loss);
    events_.scalar("accuracy/validation", record.step, record.validation->accuracy);
  }
  events_.scalar("learning_rate", record.step, record.learning_rate);
}

}  // namespace coppice::train
