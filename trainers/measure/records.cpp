#include <coppice/trainers/measure/records.h>

#include <algorithm>
#include <fstream>
#include <iterator>
#include <sstream>

#include <nlohmann/json.hpp>

#include <coppice/core/error.h>
#include <coppice/core/io/atomic_file.h>
#include <coppice/trainers/csv.h>

namespace coppice::train::measure {
namespace {

using Json = nlohmann::ordered_json;

std::string number(double value) {
  std::ostringstream text;
  text.precision(6);
  text << value;
  return text.str();
}

const Record* find(const Measurements& measurements, const std::string& name) {
  const auto found = std::ranges::find(measurements.records, name, &Record::name);
  return found == measurements.records.end() ? nullptr : &*found;
}

}  // namespace

std::string to_json(const Measurements& measurements) {
  Json json;
  json["schema"] = Measurements::kSchemaVersion;
  json["conditions"] = Json::object();
  for (const auto& [key, value] : measurements.conditions) json["conditions"][key] = value;
  json["records"] = Json::array();
  for (const Record& r : measurements.records) {
    json["records"].push_back({{"name", r.name},
                               {"label", r.label},
                               {"clock", r.clock},
                               {"seconds", r.seconds},
                               {"rejected", r.rejected},
                               {"refused", r.refused},
                               {"flops", r.flops},
                               {"bytes", r.bytes}});
  }
  return json.dump(1) + '\n';
}

Measurements measurements_from_json(std::string_view text) {
  try {
    const Json json = Json::parse(text);
    const int schema = json.at("schema").get<int>();
    COPPICE_CHECK(schema <= Measurements::kSchemaVersion, "[measurements] expects schema 1; got ", schema);
    Measurements measurements;
    for (const auto& [key, value] : json.at("conditions").items()) {
      measurements.conditions.emplace_back(key, value.get<std::string>());
    }
    for (const Json& r : json.at("records")) {
      measurements.records.push_back({.name = r.at("name").get<std::string>(),
                                      .label = r.at("label").get<std::string>(),
                                      .clock = r.at("clock").get<std::string>(),
                                      .seconds = r.at("seconds").get<std::vector<double>>(),
                                      .rejected = r.at("rejected").get<int>(),
                                      .refused = r.at("refused").get<std::string>(),
                                      .flops = r.at("flops").get<double>(),
                                      .bytes = r.at("bytes").get<double>()});
    }
    return measurements;
  } catch (const nlohmann::json::exception& error) {
    detail::fail("[measurements] expects what coppice bench --out wrote; ", error.what());
  }
}

std::string to_csv(const Measurements& measurements) {
  std::string text;
  for (const auto& [key, value] : measurements.conditions) text += "# " + key + ": " + value + '\n';
  text += "name,label,clock,samples,rejected,median_s,deviation_s,least_s,most_s,gflops,gbytes,refused\n";
  for (const Record& r : measurements.records) {
    text += csv_cell(r.name) + ',' + csv_cell(r.label) + ',' + r.clock + ',' + std::to_string(r.seconds.size()) + ',';
    text += std::to_string(r.rejected) + ',';
    if (r.seconds.empty()) {
      text += ",,,,,,";
    } else {
      const double middle = median(r.seconds);
      text += number(middle) + ',' + number(median_deviation(r.seconds)) + ',';
      text += number(*std::ranges::min_element(r.seconds)) + ',' + number(*std::ranges::max_element(r.seconds)) + ',';
      text += (r.flops > 0.0 ? number(r.flops / middle * 1e-9) : "") + ',';
      text += (r.bytes > 0.0 ? number(r.bytes / middle * 1e-9) : "") + ',';
    }
    text += csv_cell(r.refused) + '\n';
  }
  return text;
}

void save_measurements(const std::filesystem::path& file, const Measurements& measurements) {
  const std::string ending = file.extension().string();
  COPPICE_CHECK(ending == ".json" || ending == ".csv", "[measurements] ", file.string(),
                ": expects an ending .json or .csv; got '", ending, "'");
  if (file.has_parent_path()) std::filesystem::create_directories(file.parent_path());
  save_text(file, ending == ".json" ? to_json(measurements) : to_csv(measurements));
}

Measurements load_measurements(const std::filesystem::path& file) {
  std::ifstream stream(file, std::ios::binary);
  COPPICE_CHECK(stream, "[measurements] ", file.string(), ": expects a file that can be read");
  const std::string text{std::istreambuf_iterator<char>(stream), std::istreambuf_iterator<char>()};
  return measurements_from_json(text);
}

std::vector<Comparison> compare(const Measurements& base, const Measurements& now, double tolerance) {
  for (const char* key : {"cpu", "isa", "threads", "build"}) {
    const std::string before = condition(base.conditions, key), after = condition(now.conditions, key);
    COPPICE_CHECK(before == after, "[compare] expects runs under the same conditions; got ", key, " '", before,
                  "' and '", after, "'");
  }
  using Verdict = Comparison::Verdict;
  std::vector<Comparison> comparisons;
  for (const Record& before : base.records) {
    Comparison& c = comparisons.emplace_back(Comparison{.name = before.name});
    const Record* const after = find(now, before.name);
    if (after == nullptr || before.clock != after->clock) {
      c.verdict = Verdict::Missing;
      c.reason = after == nullptr ? "not measured now" : "measured by another clock";
    } else if (!before.refused.empty() || !after->refused.empty()) {
      c.verdict = Verdict::Refused;
      c.reason = before.refused.empty() ? after->refused : "base: " + before.refused;
    } else {
      c.ratio = bootstrap_ratio(before.seconds, after->seconds);
      if (c.ratio.high < 1.0 && c.ratio.value < 1.0 - tolerance) c.verdict = Verdict::Slower;
      if (c.ratio.low > 1.0 && c.ratio.value > 1.0 + tolerance) c.verdict = Verdict::Faster;
    }
  }
  return comparisons;
}

}  // namespace coppice::train::measure
