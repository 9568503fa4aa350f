#include <coppice/trainers/data/digits.h>

#include <algorithm>
#include <array>
#include <cmath>
#include <numbers>

#include <coppice/core/generator.h>
#include <coppice/core/parallel.h>
#include <coppice/trainers/data/digit_glyphs.h>

namespace coppice::train {
namespace {

using detail::Glyph;
using detail::Point;
using detail::Stroke;

constexpr int kSide = 28;
constexpr double kGlyphHeight = 19.0;  // pixels, as in the usual handwritten sets
constexpr int kStepsPerJoint = 7;

struct Dot {
  Point at;
  double radius = 0.0;
};

/// A point of the Catmull-Rom curve between b and c.
Point catmull_rom(const Point& a, const Point& b, const Point& c, const Point& d, double t) {
  const auto blend = [t](double p, double q, double r, double s) {
    return 0.5 * (2.0 * q + t * ((r - p) + t * ((2.0 * p - 5.0 * q + 4.0 * r - s) + t * (3.0 * (q - r) + s - p))));
  };
  return {blend(a.x, b.x, c.x, d.x), blend(a.y, b.y, c.y, d.y)};
}

std::vector<Point> trace(const Stroke& stroke) {
  const std::vector<Point>& joints = stroke.joints;
  const auto joint = [&](std::ptrdiff_t i) {
    return joints[static_cast<std::size_t>(std::clamp<std::ptrdiff_t>(i, 0, std::ssize(joints) - 1))];
  };
  std::vector<Point> path;
  for (std::ptrdiff_t i = 0; i + 1 < std::ssize(joints); ++i) {
    for (int step = 0; step < kStepsPerJoint; ++step) {
      const double t = static_cast<double>(step) / kStepsPerJoint;
      const Point from = joint(i);
      const Point to = joint(i + 1);
      path.push_back(stroke.curved ? catmull_rom(joint(i - 1), from, to, joint(i + 2), t)
                                   : Point{from.x + t * (to.x - from.x), from.y + t * (to.y - from.y)});
    }
  }
  path.push_back(joints.back());
  return path;
}

/// A smooth displacement: three plane waves per axis, of at most one and a half periods over the glyph.
class Elastic {
 public:
  Elastic(double amplitude, Generator& generator) {
    for (Wave& wave : waves_) {
      wave = {.kx = 1.5 * (2.0 * generator.uniform_double() - 1.0),
              .ky = 1.5 * (2.0 * generator.uniform_double() - 1.0),
              .phase = generator.uniform_double(),
              .height = amplitude * generator.normal() / std::sqrt(3.0)};
    }
  }
  Point operator()(Point p) const {
    const double dx = sum(p, 0);
    const double dy = sum(p, 3);
    return {p.x + dx, p.y + dy};
  }

 private:
  struct Wave {
    double kx = 0.0, ky = 0.0, phase = 0.0, height = 0.0;
  };
  double sum(Point p, std::size_t first) const {
    double total = 0.0;
    for (std::size_t w = first; w < first + 3; ++w) {
      const Wave& wave = waves_[w];
      total += wave.height * std::sin(2.0 * std::numbers::pi * (wave.kx * p.x + wave.ky * p.y + wave.phase));
    }
    return total;
  }
  std::array<Wave, 6> waves_;
};

/// The linear part of a writer's hand: scale, slant, rotation, and where the glyph lands.
struct Affine {
  double xx = 1.0, xy = 0.0, yx = 0.0, yy = 1.0;
  Point centre{};

  Point operator()(Point p) const {
    const double x = p.x - 0.5;
    const double y = p.y - 0.5;
    return {centre.x + xx * x + xy * y, centre.y + yx * x + yy * y};
  }
};

Affine draw_affine(const DigitsOptions& options, Generator& generator) {
  const double angle = options.rotation * std::clamp(generator.normal(), -2.0, 2.0);
  const double slant = -0.08 + options.slant * std::clamp(generator.normal(), -2.0, 2.0);
  const double sx = kGlyphHeight * (0.95 + options.scale * std::clamp(generator.normal(), -2.0, 2.0));
  const double sy = kGlyphHeight * (1.0 + 0.6 * options.scale * std::clamp(generator.normal(), -2.0, 2.0));
  const double c = std::cos(angle);
  const double s = std::sin(angle);
  Affine affine{.xx = c * sx, .xy = c * slant * sy - s * sy, .yx = s * sx, .yy = s * slant * sy + c * sy};
  affine.centre.x = 0.5 * kSide + options.shift * std::clamp(generator.normal(), -2.5, 2.5);
  affine.centre.y = 0.5 * kSide + options.shift * std::clamp(generator.normal(), -2.5, 2.5);
  return affine;
}

/// Raises `ink` to the pen's coverage along one segment: the signed distance to a capsule whose radius runs from one
/// end to the other, smoothed over one pixel.
void draw_segment(const Dot& from, const Dot& to, double softness, std::array<double, kSide * kSide>& ink) {
  const double reach = std::max(from.radius, to.radius) + softness;
  const auto low = [](double v) { return std::max(0, static_cast<int>(std::floor(v))); };
  const auto high = [](double v) { return std::min(kSide - 1, static_cast<int>(std::ceil(v))); };
  const double dx = to.at.x - from.at.x;
  const double dy = to.at.y - from.at.y;
  const double squared = std::max(dx * dx + dy * dy, 1e-12);
  for (int row = low(std::min(from.at.y, to.at.y) - reach); row <= high(std::max(from.at.y, to.at.y) + reach); ++row) {
    for (int column = low(std::min(from.at.x, to.at.x) - reach); column <= high(std::max(from.at.x, to.at.x) + reach);
         ++column) {
      const double px = column + 0.5 - from.at.x;
      const double py = row + 0.5 - from.at.y;
      const double t = std::clamp((px * dx + py * dy) / squared, 0.0, 1.0);
      const double distance = std::hypot(px - t * dx, py - t * dy) - (from.radius + t * (to.radius - from.radius));
      const double coverage = std::clamp(0.5 - distance / (2.0 * softness), 0.0, 1.0);
      double& pixel = ink[static_cast<std::size_t>(row * kSide + column)];
      pixel = std::max(pixel, coverage);
    }
  }
}

/// Nearly normal, mean 0 and variance 1: the sum of the four bytes of one word.
double cheap_normal(Generator& generator) {
  const std::uint32_t word = generator.next_u32();
  const std::uint32_t sum = (word & 255U) + (word >> 8 & 255U) + (word >> 16 & 255U) + (word >> 24);
  return (static_cast<double>(sum) - 510.0) / 147.8017;
}

void draw_digit(int digit, const DigitsOptions& options, Generator& generator, std::uint8_t* pixels) {
  const std::span<const Glyph> ways = detail::glyphs(digit);
  Glyph glyph = ways[generator.below(ways.size())];
  for (Stroke& stroke : glyph) {
    for (Point& joint : stroke.joints) {
      joint.x += options.joint_jitter * generator.normal();
      joint.y += options.joint_jitter * generator.normal();
    }
  }
  const Elastic elastic(options.elastic, generator);
  const Affine affine = draw_affine(options, generator);
  const double pen = options.pen_min + (options.pen_max - options.pen_min) * generator.uniform_double();
  const double softness = 0.55 + 0.35 * generator.uniform_double();
  const double pressure_rate = 0.5 + generator.uniform_double();
  const double pressure_phase = generator.uniform_double();

  std::array<double, kSide * kSide> ink{};
  for (const Stroke& stroke : glyph) {
    const std::vector<Point> path = trace(stroke);
    std::vector<Dot> dots;
    for (std::size_t i = 0; i < path.size(); ++i) {
      const double along = static_cast<double>(i) / static_cast<double>(path.size());
      const double pressure = std::sin(2.0 * std::numbers::pi * (pressure_rate * along + pressure_phase));
      dots.push_back({affine(elastic(path[i])), 0.5 * pen * (1.0 + 0.18 * pressure)});
    }
    for (std::size_t i = 0; i + 1 < dots.size(); ++i) draw_segment(dots[i], dots[i + 1], softness, ink);
  }

  const double brightness = 215.0 + 40.0 * generator.uniform_double();
  for (int i = 0; i < kSide * kSide; ++i) {
    const double grey = brightness * ink[static_cast<std::size_t>(i)] + options.noise * cheap_normal(generator);
    pixels[i] = static_cast<std::uint8_t>(std::lround(std::clamp(grey, 0.0, 255.0)));
  }
}

}  // namespace

Dataset digits(std::int64_t count, DigitsOptions options, Part part, std::int64_t first) {
  COPPICE_CHECK(count >= 0 && first >= 0, "[digits] expects count >= 0 and first >= 0; got ", count, " and ", first);
  const char* image_key = part == Part::Train ? "digits/train/image" : "digits/test/image";
  const char* label_key = part == Part::Train ? "digits/train/label" : "digits/test/label";
  Dataset set{.name = "digits", .classes = 10};
  set.images = Tensor::empty({count, kSide, kSide}, {.dtype = kUInt8});
  set.labels = Tensor::empty({count}, {.dtype = kUInt8});
  std::uint8_t* images = set.images.data<std::uint8_t>();
  std::uint8_t* labels = set.labels.data<std::uint8_t>();
  parallel_for(0, count, 64, [&](std::int64_t begin, std::int64_t end) {
    for (std::int64_t i = begin; i < end; ++i) {
      const auto index = static_cast<std::uint64_t>(first + i);
      Generator order = Generator::keyed(options.seed, label_key, index / 10);
      const int digit = static_cast<int>(order.permutation(10)[index % 10]);
      Generator generator = Generator::keyed(options.seed, image_key, index);
      draw_digit(digit, options, generator, images + i * kSide * kSide);
      labels[i] = static_cast<std::uint8_t>(digit);
    }
  });
  return set;
}

}  // namespace coppice::train
