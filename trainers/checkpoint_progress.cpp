#include <coppice/trainers/checkpoint_progress.h>

#include <cmath>
#include <fstream>
#include <vector>

#include <coppice/core/error.h>
#include <coppice/core/io/atomic_file.h>
#include <nlohmann/json.hpp>

namespace coppice::train::detail {
namespace {

// Columns of `records`.
enum Column : std::int64_t {
  kStep,
  kEpoch,
  kLearningRate,
  kLoss,
  kAccuracy,
  kEffectiveFlops,
  kValidated,  // 0 or 1
  kValidationLoss,
  kValidationAccuracy,
  kValidationCount,
  kColumns
};

/// A vector of f64 of that many elements.
std::vector<double> take(std::map<std::string, Tensor>& tensors, const std::string& name, const Shape& shape) {
  const auto entry = tensors.extract(name);
  COPPICE_CHECK(!entry.empty() && entry.mapped().dtype() == kFloat64 && entry.mapped().shape() == shape, "'progress.",
                name, "' expects float64 ", shape, "; got ", entry.empty() ? "nothing" : "another tensor");
  return entry.mapped().to_vector<double>();
}

/// A count that was stored as f64.
std::int64_t whole(double number) {
  COPPICE_CHECK(number >= 0.0 && number <= 9007199254740992.0 && number == std::floor(number),
                "'progress' expects counts; got ", number);
  return static_cast<std::int64_t>(number);
}

}  // namespace

std::map<std::string, Tensor> progress_tensors(const FitResult& progress) {
  std::vector<double> rows;
  for (const EpochRecord& record : progress.records) {
    const Evaluation validation = record.validation.value_or(Evaluation{});
    std::vector<double> row(kColumns);
    row[kStep] = static_cast<double>(record.step);
    row[kEpoch] = record.epoch;
    row[kLearningRate] = record.learning_rate;
    row[kLoss] = record.loss;
    row[kAccuracy] = record.accuracy;
    row[kEffectiveFlops] = record.effective_flops;
    row[kValidated] = record.validation ? 1.0 : 0.0;
    row[kValidationLoss] = validation.loss;
    row[kValidationAccuracy] = validation.accuracy;
    row[kValidationCount] = static_cast<double>(validation.count);
    rows.insert(rows.end(), row.begin(), row.end());
  }
  const Tally& tally = progress.since_record;
  std::vector<double> flops(progress.flops.dense.begin(), progress.flops.dense.end());
  flops.insert(flops.end(), progress.flops.effective.begin(), progress.flops.effective.end());
  return {{"steps", Tensor::of(std::vector<double>{static_cast<double>(progress.steps)}, Shape{})},
          {"records", Tensor::of(rows, Shape{static_cast<std::int64_t>(progress.records.size()), kColumns})},
          {"since_record", Tensor::of(std::vector<double>{tally.loss, static_cast<double>(tally.correct),
                                                          static_cast<double>(tally.count)})},
          {"flops", Tensor::of(flops, Shape{2, 3})}};
}

FitResult progress_from(std::map<std::string, Tensor> tensors) {
  FitResult progress;
  progress.steps = whole(take(tensors, "steps", {}).front());
  const std::vector<double> tally = take(tensors, "since_record", {3});
  progress.since_record = {.loss = tally[0], .correct = whole(tally[1]), .count = whole(tally[2])};
  const std::vector<double> flops = take(tensors, "flops", {2, 3});
  std::copy_n(flops.begin(), 3, progress.flops.dense.begin());
  std::copy_n(flops.begin() + 3, 3, progress.flops.effective.begin());

  const auto found = tensors.find("records");
  const std::int64_t count = found == tensors.end() || found->second.dim() == 0 ? 0 : found->second.size(0);
  const std::vector<double> rows = take(tensors, "records", {count, kColumns});
  for (const double* row = rows.data(); row != rows.data() + rows.size(); row += kColumns) {
    EpochRecord record{.step = whole(row[kStep]),
                       .epoch = row[kEpoch],
                       .learning_rate = row[kLearningRate],
                       .loss = row[kLoss],
                       .accuracy = row[kAccuracy],
                       .effective_flops = row[kEffectiveFlops]};
    if (row[kValidated] != 0.0) {
      record.validation = Evaluation{
          .loss = row[kValidationLoss], .accuracy = row[kValidationAccuracy], .count = whole(row[kValidationCount])};
    }
    progress.records.push_back(record);
  }
  return progress;
}

std::filesystem::path measurements_file(const std::filesystem::path& checkpoint) {
  return std::filesystem::path(checkpoint).replace_extension(".json");
}

void save_measurements(const std::filesystem::path& checkpoint, const FitResult& progress) {
  nlohmann::ordered_json json = {{"steps", progress.steps},
                                 {"seconds", progress.seconds},
                                 {"cpu_seconds", progress.cpu_seconds},
                                 {"peak_bytes", progress.peak_bytes},
                                 {"exploration_peak_bytes", progress.exploration_peak_bytes},
                                 {"exploitation_peak_bytes", progress.exploitation_peak_bytes},
                                 {"record_seconds", nlohmann::ordered_json::array()}};
  for (const EpochRecord& record : progress.records) json["record_seconds"].push_back(record.seconds);
  save_text(measurements_file(checkpoint), json.dump(1) + '\n');
}

bool load_measurements(const std::filesystem::path& checkpoint, FitResult& progress) {
  std::ifstream file(measurements_file(checkpoint), std::ios::binary);
  FitResult measured = progress;
  try {
    const nlohmann::json json = nlohmann::json::parse(file);
    const nlohmann::json& seconds = json.at("record_seconds");
    if (json.at("steps").get<std::int64_t>() != progress.steps || seconds.size() != progress.records.size())
      return false;
    json.at("seconds").get_to(measured.seconds);
    json.at("cpu_seconds").get_to(measured.cpu_seconds);
    json.at("peak_bytes").get_to(measured.peak_bytes);
    json.at("exploration_peak_bytes").get_to(measured.exploration_peak_bytes);
    json.at("exploitation_peak_bytes").get_to(measured.exploitation_peak_bytes);
    for (std::size_t r = 0; r < measured.records.size(); ++r) seconds.at(r).get_to(measured.records[r].seconds);
  } catch (const nlohmann::json::exception&) {
    return false;
  }
  progress = measured;
  return true;
}

}  // namespace coppice::train::detail
