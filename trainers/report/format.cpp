#include <coppice/trainers/report/format.h>

#include <cmath>
#include <cstdio>

namespace coppice::train::report {
namespace {

constexpr const char* kMinus = "\xE2\x88\x92";

}  // namespace

std::string fixed(double value, int digits) {
  char text[64];
  std::snprintf(text, sizeof(text), "%.*f", digits, value);
  return text;
}

std::string number(double value) {
  if (std::abs(value) >= 1000.0 && std::abs(value) < 1e15) return grouped(std::llround(value));
  char text[64];
  std::snprintf(text, sizeof(text), "%.4g", value);
  return text;
}

std::string grouped(std::int64_t value) {
  std::string text = std::to_string(value);
  const std::size_t first = value < 0 ? 1 : 0;
  for (std::size_t at = text.size(); at > first + 3;) {
    at -= 3;
    text.insert(at, 1, ',');
  }
  return text;
}

std::string percent(double fraction) { return number(100.0 * fraction); }

std::string points(double difference) {
  if (std::abs(difference) < 0.00005) return "0.00";
  return concat(difference < 0.0 ? kMinus : "+", fixed(100.0 * std::abs(difference), 2));
}

std::string interval(double low, double high) {
  if (!std::isfinite(low) || !std::isfinite(high)) return "[no interval]";
  return concat("[", points(low), ", ", points(high), "]");
}

std::string mebibytes(std::int64_t bytes) { return fixed(static_cast<double>(bytes) / (1024.0 * 1024.0), 2); }

std::string counted(std::int64_t count, const std::string& noun) {
  return concat(grouped(count), " ", noun, count == 1 ? "" : "s");
}

}  // namespace coppice::train::report
