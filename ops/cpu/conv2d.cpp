#include <coppice/ops/cpu/conv2d.h>

#include <algorithm>

#include <coppice/core/parallel.h>
#include <coppice/core/storage.h>
#include <coppice/ops/cpu/gemm.h>
#include <coppice/ops/cpu/patches.h>

namespace coppice::cpu {

namespace {

// Below this many elements a weight gradient is summed in parts of the batch, each with its own copy.
constexpr std::int64_t kSmallWeight = 1 << 18;
constexpr std::int64_t kWeightParts = 16;
constexpr std::int64_t kGrain = 1 << 15;

/// Output columns [first, last) whose input column lies inside the image, for kernel column kx.
struct Span {
  std::int64_t first, last;
};

Span inside(std::int64_t kernel_offset, std::int64_t pad, std::int64_t stride, std::int64_t size, std::int64_t out) {
  const std::int64_t shift = pad - kernel_offset;  // input = output · stride − shift
  const std::int64_t first = shift > 0 ? (shift + stride - 1) / stride : 0;
  const std::int64_t end = size + shift > 0 ? (size + shift + stride - 1) / stride : 0;
  return {std::min(first, out), std::clamp(end, std::min(first, out), out)};
}

/// columns (patch, out_pixels) of the channels of one group of one image; zeros where a patch leaves the image.
template <class T>
void im2col(const Conv2dGeometry& g, const T* image, T* columns) {
  const std::int64_t kernel = g.kernel_h * g.kernel_w;
  const std::int64_t grain = std::max<std::int64_t>(1, kGrain / std::max<std::int64_t>(1, g.out_pixels()));
  parallel_for(0, g.patch(), grain, [&](std::int64_t first_row, std::int64_t last_row) {
    for (std::int64_t row = first_row; row < last_row; ++row) {
      const T* channel = image + row / kernel * g.pixels();
      const std::int64_t ky = row % kernel / g.kernel_w * g.dilation_h;
      const std::int64_t kx = row % g.kernel_w * g.dilation_w;
      const Span span = inside(kx, g.pad_w, g.stride_w, g.width, g.out_w);
      T* out = columns + row * g.out_pixels();
      for (std::int64_t oy = 0; oy < g.out_h; ++oy, out += g.out_w) {
        const std::int64_t iy = oy * g.stride_h - g.pad_h + ky;
        if (iy < 0 || iy >= g.height) {
          std::fill_n(out, g.out_w, T{0});
          continue;
        }
        const T* in = channel + iy * g.width + span.first * g.stride_w - g.pad_w + kx;
        std::fill(out, out + span.first, T{0});
        if (g.stride_w == 1) {
          std::copy_n(in, span.last - span.first, out + span.first);
        } else {
          for (std::int64_t ox = span.first; ox < span.last; ++ox, in += g.stride_w) out[ox] = *in;
        }
        std::fill(out + span.last, out + g.out_w, T{0});
      }
    }
  });
}

/// The transpose of im2col: adds each column element to the pixel it came from, overwriting the image.
template <class T>
void col2im(const Conv2dGeometry& g, const T* columns, T* image) {
  const std::int64_t kernel = g.kernel_h * g.kernel_w;
  const std::int64_t grain = std::max<std::int64_t>(1, kGrain / std::max<std::int64_t>(1, kernel * g.out_pixels()));
  parallel_for(0, g.group_channels(), grain, [&](std::int64_t first_channel, std::int64_t last_channel) {
    for (std::int64_t c = first_channel; c < last_channel; ++c) {
      T* channel = image + c * g.pixels();
      std::fill_n(channel, g.pixels(), T{0});
      for (std::int64_t k = 0; k < kernel; ++k) {
        const std::int64_t ky = k / g.kernel_w * g.dilation_h;
        const std::int64_t kx = k % g.kernel_w * g.dilation_w;
        const Span span = inside(kx, g.pad_w, g.stride_w, g.width, g.out_w);
        const T* in = columns + (c * kernel + k) * g.out_pixels();
        for (std::int64_t oy = 0; oy < g.out_h; ++oy, in += g.out_w) {
          const std::int64_t iy = oy * g.stride_h - g.pad_h + ky;
          if (iy < 0 || iy >= g.height) continue;
          T* out = channel + iy * g.width - g.pad_w + kx;
          for (std::int64_t ox = span.first; ox < span.last; ++ox) out[ox * g.stride_w] += in[ox];
        }
      }
    }
  });
}

/// Calls body(first, last, part) for `parts` runs of consecutive images, in parallel where there are several.
template <class Body>
void for_image_parts(std::int64_t images, std::int64_t parts, Body&& body) {
  if (parts <= 1) {
    body(std::int64_t{0}, images, std::int64_t{0});  // so that what is inside may use all threads
    return;
  }
  parallel_for(0, parts, 1, [&](std::int64_t first, std::int64_t last) {
    for (std::int64_t part = first; part < last; ++part) {
      body(part * images / parts, (part + 1) * images / parts, part);
    }
  });
}

std::int64_t thread_parts(const Conv2dGeometry& g) {
  const std::int64_t threads = num_threads();
  return g.batch >= threads ? threads : 1;
}

}  // namespace

template <class T>
void conv2d_forward(const Conv2dGeometry& g, const ConvEpilogue<T>& epilogue, const T* input, const T* weight,
                    T* output) {
  for_image_parts(g.batch, thread_parts(g), [&](std::int64_t first, std::int64_t last, std::int64_t) {
    for (std::int64_t image = first; image < last; ++image) {
      for (std::int64_t group = 0; group < g.groups; ++group) {
        const T* const in = input + (image * g.channels + group * g.group_channels()) * g.pixels();
        const std::int64_t channel = group * g.group_outputs();
        const T* const filter = weight + channel * g.patch();
        const std::int64_t out = (image * g.out_channels + channel) * g.out_pixels();
        const GemmEpilogue<T> finish{.row_bias = epilogue.bias == nullptr ? nullptr : epilogue.bias + channel,
                                     .residual = epilogue.residual == nullptr ? nullptr : epilogue.residual + out,
                                     .relu = epilogue.relu};
        if (g.is_pointwise()) {
          gemm(Transpose::No, Transpose::No, g.group_outputs(), g.out_pixels(), g.patch(), filter, g.patch(), in,
               g.out_pixels(), false, output + out, g.out_pixels(), finish);
        } else {
          gemm_packed<T>(
              g.group_outputs(), g.out_pixels(), g.patch(), filter, g.patch(),
              [&](const GemmSlice& slice, T* packed) { pack_patches(g, in, slice, packed); }, false, output + out,
              g.out_pixels(), finish);
        }
      }
    }
  });
}

template <class T>
void conv2d_data_gradient(const Conv2dGeometry& g, const T* d_output, const T* weight, T* d_input) {
  if (g.patch() == 0 || g.out_channels == 0) {
    std::fill_n(d_input, g.batch * g.channels * g.pixels(), T{0});
    return;
  }
  const std::int64_t columns_size = g.is_pointwise() ? 0 : g.patch() * g.out_pixels();
  const std::int64_t parts = thread_parts(g);
  const Buffer<T> scratch(parts * columns_size);
  for_image_parts(g.batch, parts, [&](std::int64_t first, std::int64_t last, std::int64_t part) {
    T* columns = scratch.data() + part * columns_size;
    for (std::int64_t image = first; image < last; ++image) {
      for (std::int64_t group = 0; group < g.groups; ++group) {
        T* in = d_input + (image * g.channels + group * g.group_channels()) * g.pixels();
        const T* d_out = d_output + (image * g.out_channels + group * g.group_outputs()) * g.out_pixels();
        gemm(Transpose::Yes, Transpose::No, g.patch(), g.out_pixels(), g.group_outputs(),
             weight + group * g.group_outputs() * g.patch(), g.patch(), d_out, g.out_pixels(), false,
             g.is_pointwise() ? in : columns, g.out_pixels());
        if (!g.is_pointwise()) col2im(g, columns, in);
      }
    }
  });
}

template <class T>
void conv2d_weight_gradient(const Conv2dGeometry& g, const T* d_output, const T* input, T* d_weight) {
  const std::int64_t weights = g.out_channels * g.patch();
  if (g.batch == 0 || weights == 0) {
    std::fill_n(d_weight, weights, T{0});
    return;
  }
  const std::int64_t columns_size = g.is_pointwise() ? 0 : g.patch() * g.out_pixels();
  const std::int64_t parts = weights <= kSmallWeight ? std::min(g.batch, kWeightParts) : 1;
  const Buffer<T> scratch(parts * columns_size);
  const Buffer<T> partial((parts - 1) * weights);  // part 0 sums into d_weight itself
  for_image_parts(g.batch, parts, [&](std::int64_t first, std::int64_t last, std::int64_t part) {
    T* columns = scratch.data() + part * columns_size;
    T* sum = part == 0 ? d_weight : partial.data() + (part - 1) * weights;
    for (std::int64_t image = first; image < last; ++image) {
      for (std::int64_t group = 0; group < g.groups; ++group) {
        const T* in = input + (image * g.channels + group * g.group_channels()) * g.pixels();
        if (!g.is_pointwise()) im2col(g, in, columns);
        gemm(Transpose::No, Transpose::Yes, g.group_outputs(), g.patch(), g.out_pixels(),
             d_output + (image * g.out_channels + group * g.group_outputs()) * g.out_pixels(), g.out_pixels(),
             g.is_pointwise() ? in : columns, g.out_pixels(), image != first,
             sum + group * g.group_outputs() * g.patch(), g.patch());
      }
    }
  });
  if (parts == 1) return;
  parallel_for(0, weights, kGrain / kWeightParts, [&](std::int64_t first, std::int64_t last) {
    for (std::int64_t part = 1; part < parts; ++part) {
      const T* addend = partial.data() + (part - 1) * weights;
      for (std::int64_t i = first; i < last; ++i) d_weight[i] += addend[i];
    }
  });
}

template void conv2d_forward(const Conv2dGeometry&, const ConvEpilogue<float>&, const float*, const float*, float*);
template void conv2d_forward(const Conv2dGeometry&, const ConvEpilogue<double>&, const double*, const double*, double*);
template void conv2d_data_gradient(const Conv2dGeometry&, const float*, const float*, float*);
template void conv2d_data_gradient(const Conv2dGeometry&, const double*, const double*, double*);
template void conv2d_weight_gradient(const Conv2dGeometry&, const float*, const float*, float*);
template void conv2d_weight_gradient(const Conv2dGeometry&, const double*, const double*, double*);

}  // namespace coppice::cpu
