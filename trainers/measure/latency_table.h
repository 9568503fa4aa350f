#pragma once

#include <cstdint>
#include <filesystem>
#include <map>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include <coppice/core/export.h>
#include <coppice/trainers/measure/conditions.h>

namespace coppice::train::measure {

/// One point of a grid: a layer with so many channels, and what it took.
struct LatencyPoint {
  std::string layer{};
  std::int64_t c_in = 0;
  std::int64_t c_out = 0;
  double seconds = 0.0;    ///< median
  double deviation = 0.0;  ///< median absolute deviation, in seconds
  int samples = 0;
  std::string kernel{};  ///< that ran

  friend bool operator==(const LatencyPoint&, const LatencyPoint&) = default;
};

/// What layers take by their numbers of channels, measured here or by another tool. docs/latency.md describes the file.
class COPPICE_API LatencyTable {
 public:
  LatencyTable(Conditions conditions, std::vector<LatencyPoint> points);

  /// Reads a table that need not be trusted. Throws `[latency] name: …` where it is none, a number is not one, or a
  /// point comes twice.
  static LatencyTable parse(std::string_view csv, const std::string& name);
  static LatencyTable load(const std::filesystem::path& file);
  std::string to_csv() const;

  const Conditions& conditions() const { return conditions_; }
  const std::vector<LatencyPoint>& points() const { return points_; }
  std::vector<std::string> layers() const;

  /// The lower monotone envelope: the least time of a measured point with at least these channels, since a smaller
  /// layer can be padded up to it. Nothing is interpolated. Throws `[latency] …` where the table lacks the point
  /// itself.
  double seconds(const std::string& layer, std::int64_t c_in, std::int64_t c_out) const;

 private:
  Conditions conditions_;
  std::vector<LatencyPoint> points_;
  std::map<std::string, std::map<std::pair<std::int64_t, std::int64_t>, double>> seconds_{};
};

}  // namespace coppice::train::measure
