#include <coppice/trainers/logging/event_file.h>

#include <gtest/gtest.h>

#include <cstring>
#include <limits>
#include <vector>

#include "tests/core/io/temporary_folder.h"
#include "tests/error_of.h"

namespace coppice::train {
namespace {

std::string counting(int first, int step, int count) {
  std::string bytes;
  for (int i = 0; i < count; ++i) bytes += static_cast<char>(first + i * step);
  return bytes;
}

TEST(Crc32c, AgreesWithRfc3720) {
  EXPECT_EQ(crc32c(""), 0U);
  EXPECT_EQ(crc32c("123456789"), 0xE3069283U);
  EXPECT_EQ(crc32c(std::string(32, '\0')), 0x8A9136AAU);
  EXPECT_EQ(crc32c(std::string(32, '\xFF')), 0x62A8AB43U);
  EXPECT_EQ(crc32c(counting(0, 1, 32)), 0x46DD794EU);
  EXPECT_EQ(crc32c(counting(31, -1, 32)), 0x113FDB5CU);
}

template <class T>
T number_at(const std::string& bytes, std::size_t at) {
  T value{};
  std::memcpy(&value, bytes.substr(at, sizeof value).data(), sizeof value);
  return value;
}

/// The payloads of a TFRecord file whose sums agree, by the formula of its documentation.
std::vector<std::string> records_of(const std::string& bytes) {
  const auto masked = [](const std::string& data) {
    const std::uint32_t sum = crc32c(data);
    return ((sum >> 15) | (sum << 17)) + 0xa282ead8U;
  };
  std::vector<std::string> records;
  std::size_t at = 0;
  while (at < bytes.size()) {
    const auto length = number_at<std::uint64_t>(bytes, at);
    EXPECT_EQ(number_at<std::uint32_t>(bytes, at + 8), masked(bytes.substr(at, 8)));
    const std::string data = bytes.substr(at + 12, length);
    EXPECT_EQ(number_at<std::uint32_t>(bytes, at + 12 + length), masked(data));
    records.push_back(data);
    at += 16 + length;
  }
  EXPECT_EQ(at, bytes.size());
  return records;
}

struct Point {
  double wall_time = 0.0;
  std::int64_t step = 0;
  std::string tag;
  float value = 0.0F;
  std::string version;
  std::int64_t session = 0;
};

/// Reads a message field by field; `path` tells nested ones apart: 5 is the summary, 51 its value, 7 the session log.
void decode(const std::string& message, int path, Point& point) {
  std::size_t at = 0;
  const auto varint = [&] {
    std::uint64_t value = 0;
    for (int shift = 0;; shift += 7) {
      const auto byte = static_cast<unsigned char>(message.at(at++));
      value |= std::uint64_t{byte & 0x7FU} << shift;
      if (byte < 0x80) return value;
    }
  };
  while (at < message.size()) {
    const std::uint64_t key = varint();
    const int field = path * 10 + static_cast<int>(key >> 3);
    switch (key & 7) {
      case 0: {
        const auto value = static_cast<std::int64_t>(varint());
        ASSERT_TRUE(field == 2 || field == 71) << field;
        (field == 2 ? point.step : point.session) = value;
        break;
      }
      case 1:
        ASSERT_EQ(field, 1);
        point.wall_time = number_at<double>(message, at);
        at += 8;
        break;
      case 2: {
        const std::uint64_t length = varint();
        const std::string inner = message.substr(at, length);
        at += length;
        if (field == 5 || field == 51 || field == 7) {
          decode(inner, field, point);
        } else {
          ASSERT_TRUE(field == 3 || field == 511) << field;
          (field == 3 ? point.version : point.tag) = inner;
        }
        break;
      }
      case 5:
        ASSERT_EQ(field, 512);
        point.value = number_at<float>(message, at);
        at += 4;
        break;
      default: FAIL() << "wire type " << (key & 7);
    }
  }
}

std::vector<Point> points_of(const std::filesystem::path& file) {
  std::vector<Point> points;
  for (const std::string& record : records_of(read_bytes(file))) decode(record, 0, points.emplace_back());
  return points;
}

TEST(EventFile, HoldsTheCurvesThatWereWritten) {
  const TemporaryFolder folder;
  EventFile events(folder / "new");
  EXPECT_EQ(events.path().parent_path(), folder / "new");
  EXPECT_TRUE(events.path().filename().string().starts_with("events.out.tfevents.1")) << events.path();
  events.scalar("loss/train", 0, 2.5, 1700000000.25);
  events.scalar("loss/train", 300, -0.125, 1700000001.0);
  events.scalar(std::string(200, 'x'), std::int64_t{1} << 40, std::numeric_limits<double>::infinity());

  const std::vector<Point> points = points_of(events.path());  // readable while it is open
  ASSERT_EQ(points.size(), 4U);
  EXPECT_EQ(points[0].version, "brain.Event:2");
  EXPECT_EQ(points[1].tag, "loss/train");
  EXPECT_EQ(points[1].step, 0);
  EXPECT_EQ(points[1].value, 2.5F);
  EXPECT_EQ(points[1].wall_time, 1700000000.25);
  EXPECT_EQ(points[2].step, 300);
  EXPECT_EQ(points[2].value, -0.125F);
  EXPECT_EQ(points[3].tag, std::string(200, 'x'));
  EXPECT_EQ(points[3].step, std::int64_t{1} << 40);
  EXPECT_EQ(points[3].value, std::numeric_limits<float>::infinity());
  EXPECT_GT(points[3].wall_time, 1.7e9);
}

TEST(EventFile, AResumedTrainingSaysWhereItGoesOn) {
  const TemporaryFolder folder;
  EventFile first(folder.path());
  EventFile second(folder.path(), 700);
  EXPECT_NE(first.path(), second.path());
  EXPECT_EQ(points_of(first.path()).size(), 1U);
  const std::vector<Point> points = points_of(second.path());
  ASSERT_EQ(points.size(), 2U);
  EXPECT_EQ(points[1].step, 700);
  EXPECT_EQ(points[1].session, 1);  // SessionLog.START
}

TEST(EventFile, SaysWhyItCannotBeMade) {
  const TemporaryFolder folder;
  write_bytes(folder / "file", "");
  const std::string message = error_of([&] { EventFile(folder / "file"); });
  EXPECT_TRUE(message.starts_with("[EventFile] ") && message.find("cannot be made") != std::string::npos) << message;
}

}  // namespace
}  // namespace coppice::train
