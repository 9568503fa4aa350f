#include <gtest/gtest.h>

#include <cstdio>
#include <cstdlib>

#include <jpeglib.h>

#include "tests/fuzz/campaign.h"
#include "tests/fuzz/mutator.h"

namespace coppice::fuzz {
namespace {

struct Kind {
  unsigned width;
  unsigned height;
  int channels;  ///< 1, 3 or 4
  bool progressive = false;
  bool arithmetic = false;
  int restart = 0;  ///< blocks between restart markers
  bool subsampled = true;
};

std::string encode(const Kind& kind) {
  jpeg_compress_struct info{};
  jpeg_error_mgr errors{};
  info.err = jpeg_std_error(&errors);
  jpeg_create_compress(&info);
  unsigned char* data = nullptr;
  unsigned long size = 0;
  jpeg_mem_dest(&info, &data, &size);
  info.image_width = kind.width;
  info.image_height = kind.height;
  info.input_components = kind.channels;
  info.in_color_space = kind.channels == 1 ? JCS_GRAYSCALE : kind.channels == 3 ? JCS_RGB : JCS_CMYK;
  jpeg_set_defaults(&info);
  jpeg_set_quality(&info, 60, TRUE);
  if (kind.progressive) jpeg_simple_progression(&info);
  info.arith_code = kind.arithmetic ? TRUE : FALSE;
  info.restart_interval = static_cast<unsigned>(kind.restart);
  if (!kind.subsampled) info.comp_info[0].h_samp_factor = info.comp_info[0].v_samp_factor = 1;
  jpeg_start_compress(&info, TRUE);
  std::vector<unsigned char> row(kind.width * static_cast<unsigned>(kind.channels));
  while (info.next_scanline < info.image_height) {
    for (std::size_t i = 0; i < row.size(); ++i) row[i] = static_cast<unsigned char>(37 * i + 11 * info.next_scanline);
    JSAMPROW pointer = row.data();
    jpeg_write_scanlines(&info, &pointer, 1);
  }
  jpeg_finish_compress(&info);
  std::string bytes(reinterpret_cast<const char*>(data), size);
  jpeg_destroy_compress(&info);
  std::free(data);
  return bytes;
}

/// A marker with its payload (without the length), or coded data.
struct Segment {
  int marker = -1;  ///< -1: coded data
  std::string data;
};

std::vector<Segment> take_apart(const std::string& bytes) {
  const auto byte = [&](std::size_t at) { return static_cast<unsigned char>(bytes.at(at)); };
  std::vector<Segment> segments;
  std::size_t at = 2;
  while (byte(at + 1) != 0xD9) {
    const int marker = byte(at + 1);
    const std::size_t length = byte(at + 2) * 256U + byte(at + 3);
    segments.push_back({marker, bytes.substr(at + 4, length - 2)});
    at += 2 + length;
    if (marker != 0xDA) continue;
    const std::size_t begin = at;
    while (byte(at) != 0xFF || byte(at + 1) == 0 || (byte(at + 1) & 0xF8) == 0xD0) ++at;
    segments.push_back({-1, bytes.substr(begin, at - begin)});
  }
  return segments;
}

void change_frame(std::string& frame, Mutator& mutator) {
  const std::size_t at = 1 + 2 * mutator.below(2);  // height or width
  if (frame.size() < 6 || mutator.chance(0.3)) {
    mutator.flip_bits(frame, 0, frame.size());
  } else {
    const std::uint64_t size = mutator.number_near(static_cast<unsigned char>(frame[at + 1]));
    frame[at] = static_cast<char>(size >> 8);
    frame[at + 1] = static_cast<char>(size);
  }
}

void change(std::vector<Segment>& segments, Mutator& mutator) {
  const std::size_t at = mutator.below(segments.size());
  Segment& segment = segments[at];
  const bool frame =
      segment.marker == 0xC0 || segment.marker == 0xC2 || segment.marker == 0xC9 || segment.marker == 0xCA;
  switch (mutator.below(12)) {
    case 0:
      if (segments.size() > 1) segments.erase(segments.begin() + static_cast<std::ptrdiff_t>(at));
      return;
    case 1:
      segments.insert(segments.begin() + static_cast<std::ptrdiff_t>(mutator.below(segments.size())), Segment(segment));
      return;
    case 2: std::swap(segment, segments[mutator.below(segments.size())]); return;
    case 3:
      if (segment.marker >= 0) segment.marker = 0xC0 + static_cast<int>(mutator.below(64));
      return;
    case 4: mutator.change_bytes(segment.data); return;
    case 5:
      for (Segment& other : segments) {
        if (other.marker == 0xC0 || other.marker == 0xC2 || other.marker == 0xC9 || other.marker == 0xCA) {
          change_frame(other.data, mutator);
        }
      }
      return;
    default:
      if (frame) {
        change_frame(segment.data, mutator);
      } else {
        mutator.flip_bits(segment.data, 0, segment.data.size());
      }
  }
}

std::string put_together(const std::vector<Segment>& segments, Mutator& mutator) {
  std::string bytes("\xFF\xD8");
  for (const auto& [marker, data] : segments) {
    if (marker >= 0) {
      const std::size_t length = mutator.chance(0.01) ? mutator.number_near(data.size() + 2) : data.size() + 2;
      bytes += '\xFF';
      for (const std::uint64_t value : {static_cast<std::uint64_t>(marker), length >> 8, length}) {
        bytes += static_cast<char>(value);
      }
    }
    bytes += data;
  }
  bytes += "\xFF\xD9";
  if (mutator.chance(0.05)) mutator.change_bytes(bytes);
  return bytes;
}

TEST(Mutations, Jpeg) {
  std::vector<std::vector<Segment>> seeds;
  for (const Kind& kind : {Kind{8, 8, 1}, Kind{9, 5, 3}, Kind{8, 8, 3, false, false, 1},
                           Kind{16, 8, 3, false, false, 0, false}, Kind{8, 8, 4}, Kind{9, 9, 3, true},
                           Kind{8, 8, 1, true}, Kind{8, 8, 3, false, true}, Kind{8, 8, 3, true, true}}) {
    seeds.push_back(take_apart(encode(kind)));
  }
  run({.format = "jpeg",
       .target = jpeg,
       .make =
           [&](Generator& generator) {
             Mutator mutator(generator);
             std::vector<Segment> segments = mutator.pick(seeds);
             for (std::uint64_t changes = mutator.below(3); changes > 0; --changes) change(segments, mutator);
             return put_together(segments, mutator);
           },
       .fixed_bytes = 512 << 10,        // libjpeg's tables and row buffers
       .per_byte = 1024 * 4 * (2 + 2),  // pixels that a byte may claim, channels, coefficients, bytes twice
       .kinds_of_error = 20});
}

}  // namespace
}  // namespace coppice::fuzz
