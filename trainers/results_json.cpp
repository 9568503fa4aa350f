#include <iterator>
#include <limits>
#include <sstream>

#include <nlohmann/json.hpp>

#include <coppice/trainers/results.h>

namespace coppice::train {
namespace {

using Json = nlohmann::ordered_json;

Json object_of(const std::vector<std::pair<std::string, std::string>>& pairs) {
  Json object = Json::object();
  for (const auto& [key, value] : pairs) object[key] = value;
  return object;
}

std::vector<std::pair<std::string, std::string>> pairs_of(const Json& object) {
  std::vector<std::pair<std::string, std::string>> pairs;
  for (const auto& [key, value] : object.items()) pairs.emplace_back(key, value.get<std::string>());
  return pairs;
}

/// JSON has no infinity: an unbounded end is null.
double bound(const Json& value, double unbounded) { return value.is_null() ? unbounded : value.get<double>(); }

Json encode(const FlopCount& flops) {
  return {{"forward", {{"dense", flops.dense[0]}, {"effective", flops.effective[0]}}},
          {"data_gradient", {{"dense", flops.dense[1]}, {"effective", flops.effective[1]}}},
          {"weight_gradient", {{"dense", flops.dense[2]}, {"effective", flops.effective[2]}}}};
}

FlopCount decode_flops(const Json& json) {
  FlopCount flops;
  std::size_t phase = 0;
  for (const char* name : {"forward", "data_gradient", "weight_gradient"}) {
    flops.dense[phase] = json.at(name).at("dense").get<double>();
    flops.effective[phase++] = json.at(name).at("effective").get<double>();
  }
  return flops;
}

Json encode(const EpochRecord& record) {
  Json json = {{"step", record.step},
               {"epoch", record.epoch},
               {"learning_rate", record.learning_rate},
               {"train_loss", record.loss},
               {"train_accuracy", record.accuracy},
               {"seconds", record.seconds},
               {"effective_flops", record.effective_flops}};
  if (record.validation) {
    json["validation_loss"] = record.validation->loss;
    json["validation_accuracy"] = record.validation->accuracy;
    json["validation_images"] = record.validation->count;
  }
  return json;
}

EpochRecord decode_record(const Json& json) {
  EpochRecord record;
  record.step = json.at("step").get<std::int64_t>();
  record.epoch = json.at("epoch").get<double>();
  record.learning_rate = json.at("learning_rate").get<double>();
  record.loss = json.at("train_loss").get<double>();
  record.accuracy = json.at("train_accuracy").get<double>();
  record.seconds = json.at("seconds").get<double>();
  record.effective_flops = json.at("effective_flops").get<double>();
  if (json.contains("validation_loss")) {
    record.validation = Evaluation{.loss = json.at("validation_loss").get<double>(),
                                   .accuracy = json.at("validation_accuracy").get<double>(),
                                   .count = json.at("validation_images").get<std::int64_t>()};
  }
  return record;
}

/// One line of numbers, where an array would take a line each.
std::string line_of(const std::vector<std::int64_t>& values) {
  std::string line;
  for (const std::int64_t value : values) {
    if (!line.empty()) line += ' ';
    line += std::to_string(value);
  }
  return line;
}

std::vector<std::int64_t> numbers_of(const std::string& line) {
  std::istringstream in(line);
  std::vector<std::int64_t> values{std::istream_iterator<std::int64_t>(in), std::istream_iterator<std::int64_t>()};
  COPPICE_CHECK(in.eof(), "[results] expects whole numbers in alive_per_input");
  return values;
}

Json encode(const UpdateResult& update) {
  return {{"step", update.step},
          {"fraction", update.fraction},
          {"iou_after_prune", update.iou_after_prune},
          {"iou_after_grow", update.iou_after_grow},
          {"ever_alive", update.ever_alive}};
}

UpdateResult decode_update(const Json& json) {
  return {.step = json.at("step").get<std::int64_t>(),
          .fraction = json.value("fraction", 0.0),
          .iou_after_prune = json.at("iou_after_prune").get<double>(),
          .iou_after_grow = json.at("iou_after_grow").get<double>(),
          .ever_alive = json.value("ever_alive", 0.0)};
}

Json encode(const LayerResult& layer) {
  return {{"name", layer.name},
          {"weights", layer.weights},
          {"alive_at_start", layer.alive_at_start},
          {"alive", layer.alive}};
}

LayerResult decode_layer(const Json& json) {
  return {.name = json.at("name").get<std::string>(),
          .weights = json.at("weights").get<std::int64_t>(),
          .alive_at_start = json.at("alive_at_start").get<std::int64_t>(),
          .alive = json.at("alive").get<std::int64_t>()};
}

Json encode(const RunResult& run) {
  Json json = {{"method", run.method},
               {"network", run.network},
               {"sparsity", run.sparsity},
               {"seed", run.seed},
               {"steps", run.steps},
               {"accuracy", run.accuracy},
               {"validation_accuracy", run.validation_accuracy},
               {"train_loss", run.train_loss},
               {"weights", run.weights},
               {"nnz", run.nnz},
               {"train_flops", encode(run.flops)},
               {"train_flops_ratio", run.train_flops_ratio},
               {"seconds", run.seconds},
               {"cpu_seconds", run.cpu_seconds},
               {"peak_bytes", run.peak_bytes},
               {"exploration_peak_bytes", run.exploration_peak_bytes},
               {"exploitation_peak_bytes", run.exploitation_peak_bytes},
               {"survival", run.survival},
               {"survival_by_lag", run.survival_by_lag},
               {"policy", object_of(run.policy)},
               {"kernels", object_of(run.kernels)},
               {"layers", Json::array()},
               {"alive_per_input", line_of(run.alive_per_input)},
               {"records", Json::array()},
               {"updates", Json::array()}};
  for (const LayerResult& layer : run.layers) json["layers"].push_back(encode(layer));
  for (const EpochRecord& record : run.records) json["records"].push_back(encode(record));
  for (const UpdateResult& update : run.updates) json["updates"].push_back(encode(update));
  return json;
}

RunResult decode_run(const Json& json) {
  RunResult run;
  json.at("method").get_to(run.method);
  json.at("network").get_to(run.network);
  json.at("sparsity").get_to(run.sparsity);
  json.at("seed").get_to(run.seed);
  json.at("steps").get_to(run.steps);
  json.at("accuracy").get_to(run.accuracy);
  json.at("validation_accuracy").get_to(run.validation_accuracy);
  json.at("train_loss").get_to(run.train_loss);
  json.at("weights").get_to(run.weights);
  json.at("nnz").get_to(run.nnz);
  run.flops = decode_flops(json.at("train_flops"));
  json.at("train_flops_ratio").get_to(run.train_flops_ratio);
  json.at("seconds").get_to(run.seconds);
  json.at("cpu_seconds").get_to(run.cpu_seconds);
  json.at("peak_bytes").get_to(run.peak_bytes);
  json.at("survival").get_to(run.survival);
  run.policy = pairs_of(json.at("policy"));
  run.kernels = pairs_of(json.value("kernels", Json::object()));
  for (const Json& record : json.at("records")) run.records.push_back(decode_record(record));
  for (const Json& update : json.at("updates")) run.updates.push_back(decode_update(update));
  if (!json.contains("layers")) return run;  // schema version 1
  json.at("exploration_peak_bytes").get_to(run.exploration_peak_bytes);
  json.at("exploitation_peak_bytes").get_to(run.exploitation_peak_bytes);
  json.at("survival_by_lag").get_to(run.survival_by_lag);
  for (const Json& layer : json.at("layers")) run.layers.push_back(decode_layer(layer));
  run.alive_per_input = numbers_of(json.at("alive_per_input").get<std::string>());
  return run;
}

Json encode(const Ordering& ordering) {
  return {{"statement", ordering.statement},
          {"published", ordering.published},
          {"sparsity", ordering.sparsity},
          {"claimed", ordering.claimed},
          {"clearly", ordering.clearly},
          {"held", ordering.held()},
          {"pairs", ordering.pairs},
          {"difference", ordering.difference.mean},
          {"interval_95", {ordering.difference.low, ordering.difference.high}}};
}

Ordering decode_ordering(const Json& json) {
  constexpr double kInfinity = std::numeric_limits<double>::infinity();
  Ordering ordering;
  json.at("statement").get_to(ordering.statement);
  json.at("published").get_to(ordering.published);
  json.at("sparsity").get_to(ordering.sparsity);
  json.at("claimed").get_to(ordering.claimed);
  json.at("clearly").get_to(ordering.clearly);
  json.at("pairs").get_to(ordering.pairs);
  json.at("difference").get_to(ordering.difference.mean);
  ordering.difference.low = bound(json.at("interval_95").at(0), -kInfinity);
  ordering.difference.high = bound(json.at("interval_95").at(1), kInfinity);
  return ordering;
}

Json encode(const Environment& environment) {
  return {{"version", environment.version},       {"commit", environment.commit}, {"dirty", environment.dirty},
          {"compiler", environment.compiler},     {"build", environment.build},   {"cpu", environment.cpu},
          {"processors", environment.processors}, {"isa", environment.isa},       {"device", environment.device}};
}

Environment decode_environment(const Json& json) {
  Environment environment;
  json.at("version").get_to(environment.version);
  json.at("commit").get_to(environment.commit);
  json.at("dirty").get_to(environment.dirty);
  json.at("compiler").get_to(environment.compiler);
  json.at("build").get_to(environment.build);
  json.at("cpu").get_to(environment.cpu);
  json.at("processors").get_to(environment.processors);
  json.at("isa").get_to(environment.isa);
  json.at("device").get_to(environment.device);
  return environment;
}

Results decode(const Json& json) {
  Results results;
  json.at("paper").get_to(results.paper);
  json.at("scale").get_to(results.scale);
  json.at("command").get_to(results.command);
  json.at("interrupted").get_to(results.interrupted);
  json.at("seeds").get_to(results.seeds);
  json.at("jobs").get_to(results.jobs);
  json.at("threads_per_run").get_to(results.threads_per_run);
  json.at("wall_seconds").get_to(results.wall_seconds);
  results.options = pairs_of(json.at("options"));
  results.recipe = json.value("recipe", "");
  results.plan = json.value("plan", "");
  results.methods = pairs_of(json.value("methods", Json::object()));
  results.environment = decode_environment(json.at("environment"));
  const Json& data = json.at("data");
  data.at("name").get_to(results.dataset);
  data.at("train_images").get_to(results.train_images);
  data.at("validation_images").get_to(results.validation_images);
  data.at("test_images").get_to(results.test_images);
  results.image_height = data.value("image_height", std::int64_t{0});
  results.image_width = data.value("image_width", std::int64_t{0});
  results.checksums = pairs_of(data.at("sha256"));
  for (const Json& run : json.at("runs")) results.runs.push_back(decode_run(run));
  for (const Json& ordering : json.at("orderings")) results.orderings.push_back(decode_ordering(ordering));
  return results;
}

}  // namespace

std::string to_json(const Results& results) {
  Json json = {{"schema_version", Results::kSchemaVersion},
               {"paper", results.paper},
               {"scale", results.scale},
               {"command", results.command},
               {"interrupted", results.interrupted},
               {"seeds", results.seeds},
               {"jobs", results.jobs},
               {"threads_per_run", results.threads_per_run},
               {"wall_seconds", results.wall_seconds},
               {"options", object_of(results.options)},
               {"recipe", results.recipe},
               {"plan", results.plan},
               {"methods", object_of(results.methods)},
               {"environment", encode(results.environment)},
               {"data",
                {{"name", results.dataset},
                 {"train_images", results.train_images},
                 {"validation_images", results.validation_images},
                 {"test_images", results.test_images},
                 {"image_height", results.image_height},
                 {"image_width", results.image_width},
                 {"sha256", object_of(results.checksums)}}},
               {"orderings", Json::array()},
               {"runs", Json::array()}};
  for (const Ordering& ordering : results.orderings) json["orderings"].push_back(encode(ordering));
  for (const RunResult& run : results.runs) json["runs"].push_back(encode(run));
  return json.dump(1) + '\n';
}

Results results_from_json(std::string_view text) {
  try {
    const Json json = Json::parse(text);
    const int schema = json.at("schema_version").get<int>();
    COPPICE_CHECK(schema >= 1 && schema <= Results::kSchemaVersion, "[results] expects schema version 1 to ",
                  Results::kSchemaVersion, "; got ", schema);
    return decode(json);
  } catch (const nlohmann::json::exception& error) {
    detail::fail("[results] expects a results.json of this program; ", error.what());
  }
}

}  // namespace coppice::train
