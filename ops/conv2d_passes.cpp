#include <coppice/ops/conv2d_passes.h>

#include <algorithm>

#include <coppice/ops/memory_format.h>

namespace coppice {

cpu::BlockedConv forward_pass(const Conv2dProblem& p) {
  cpu::BlockedConv conv{.images = p.input[0],
                        .in_channels = p.input[1],
                        .in_h = p.input[2],
                        .in_w = p.input[3],
                        .out_channels = p.output[1],
                        .out_h = p.output[2],
                        .out_w = p.output[3],
                        .groups = p.options.groups,
                        .rows = p.output[2],
                        .columns = p.output[3],
                        .stride_y = p.options.stride[0],
                        .stride_x = p.options.stride[1],
                        .taps = {}};
  for (std::int64_t r = 0; r < p.weight[2]; ++r) {
    for (std::int64_t s = 0; s < p.weight[3]; ++s) {
      conv.taps.push_back({.y = static_cast<std::int32_t>(r * p.options.dilation[0] - p.options.padding[0]),
                           .x = static_cast<std::int32_t>(s * p.options.dilation[1] - p.options.padding[1]),
                           .id = static_cast<std::int32_t>(r * p.weight[3] + s)});
    }
  }
  return conv;
}

StripPass strip_pass(const Conv2dProblem& p) {
  const std::int64_t lanes = image_block(p.dtype), images = p.input[0];
  const auto parts = [](std::int64_t size, std::int64_t count) { return (size + count - 1) / count; };
  const auto reach = [&](std::size_t axis, std::int64_t outputs) {
    return (outputs - 1) * p.options.stride[axis] +
           p.options.dilation[axis] * (p.weight[static_cast<int>(axis) + 2] - 1) + 1;
  };
  std::int64_t best_h = 1, best_w = 1, best_pixels = 0, best_input = 0;
  for (std::int64_t h = 1; h * images <= lanes && h <= p.output[2]; ++h) {
    const std::int64_t w = std::min(lanes / (h * images), p.output[3]);
    const std::int64_t strip_h = parts(p.output[2], h), strip_w = parts(p.output[3], w);
    const std::int64_t input = reach(0, strip_h) * reach(1, strip_w);
    if (best_pixels != 0 && strip_h * strip_w > best_pixels) continue;
    if (strip_h * strip_w == best_pixels && input >= best_input) continue;
    best_h = h;
    best_w = w;
    best_pixels = strip_h * strip_w;
    best_input = input;
  }
  const std::int64_t out_h = parts(p.output[2], best_h), out_w = parts(p.output[3], best_w);
  StripPass pass{.conv = forward_pass(p),
                 .input = {.images = images,
                           .channels = p.input[1],
                           .height = p.input[2],
                           .width = p.input[3],
                           .grid_h = best_h,
                           .grid_w = best_w,
                           .strip_h = reach(0, out_h),
                           .strip_w = reach(1, out_w),
                           .step_h = out_h * p.options.stride[0],
                           .step_w = out_w * p.options.stride[1],
                           .origin_h = -p.options.padding[0],
                           .origin_w = -p.options.padding[1]},
                 .output = {.images = images,
                            .channels = p.output[1],
                            .height = p.output[2],
                            .width = p.output[3],
                            .grid_h = best_h,
                            .grid_w = best_w,
                            .strip_h = out_h,
                            .strip_w = out_w,
                            .step_h = out_h,
                            .step_w = out_w,
                            .origin_h = 0,
                            .origin_w = 0},
                 .lanes = lanes};
  pass.conv.images = pass.input.count();
  pass.conv.in_h = pass.input.strip_h;
  pass.conv.in_w = pass.input.strip_w;
  pass.conv.out_h = pass.conv.rows = out_h;
  pass.conv.out_w = pass.conv.columns = out_w;
  for (cpu::Tap& tap : pass.conv.taps) {  // the padding is in the strips
    tap.y += static_cast<std::int32_t>(p.options.padding[0]);
    tap.x += static_cast<std::int32_t>(p.options.padding[1]);
  }
  return pass;
}

std::vector<cpu::BlockedConv> data_gradient_passes(const Conv2dProblem& p) {
  const cpu::BlockedConv forward = forward_pass(p);
  std::vector<cpu::BlockedConv> passes;
  for (std::int64_t a = 0; a < std::min(forward.stride_y, forward.in_h); ++a) {
    for (std::int64_t b = 0; b < std::min(forward.stride_x, forward.in_w); ++b) {
      cpu::BlockedConv pass{.images = forward.images,
                            .in_channels = forward.out_channels,
                            .in_h = forward.out_h,
                            .in_w = forward.out_w,
                            .out_channels = forward.in_channels,
                            .out_h = forward.in_h,
                            .out_w = forward.in_w,
                            .groups = forward.groups,
                            .rows = (forward.in_h - a + forward.stride_y - 1) / forward.stride_y,
                            .columns = (forward.in_w - b + forward.stride_x - 1) / forward.stride_x,
                            .first_y = a,
                            .first_x = b,
                            .step_y = forward.stride_y,
                            .step_x = forward.stride_x,
                            .taps = {}};
      for (const cpu::Tap& tap : forward.taps) {
        // Input pixel a + i·stride is read by output pixel (a − tap) / stride + i, where that is whole.
        if ((a - tap.y) % forward.stride_y != 0 || (b - tap.x) % forward.stride_x != 0) continue;
        pass.taps.push_back({.y = static_cast<std::int32_t>((a - tap.y) / forward.stride_y),
                             .x = static_cast<std::int32_t>((b - tap.x) / forward.stride_x),
                             .id = tap.id});
      }
      passes.push_back(std::move(pass));
    }
  }
  return passes;
}

}  // namespace coppice
