#pragma once

#include <cstdint>

namespace coppice::cpu {

/// Means of 2 × 2 of planes (height, width), a last odd row or column left out, `levels` times over: outputs[l] has
/// (planes, height >> (l + 1), width >> (l + 1)).
template <class T>
void halve_planes(std::int64_t planes, std::int64_t height, std::int64_t width, std::int64_t levels, const T* in,
                  T* const* outputs);

/// The transposed map: d_outputs[l] as above or null.
template <class T>
void halve_planes_gradient(std::int64_t planes, std::int64_t height, std::int64_t width, std::int64_t levels,
                           const T* const* d_outputs, T* d_in);

/// Windows of (2 · radius + 1)² around a point of a map (height, width) per query. Point = coordinate · scale; channel
/// `first_channel` + (dx + radius) · (2 · radius + 1) + dy + radius of the result (batch, all_channels, queries).
struct LookupGeometry {
  std::int64_t batch, queries, height, width, radius;
  double scale;
  std::int64_t first_channel, all_channels;
};

/// Maps are volume (batch, queries, height, width); coordinates (batch, 2, queries), x before y.
template <class T>
void lookup(const LookupGeometry& geometry, const T* volume, const T* coordinates, T* output);

/// Gradients, null where not wanted; that by the coordinates is added to.
template <class T>
void lookup_gradients(const LookupGeometry& geometry, const T* volume, const T* coordinates, const T* d_output,
                      T* d_volume, T* d_coordinates);

/// As lookup, of maps factor · Σ_c a(c, query) · b(c, y, x) that exist only within the windows: a (batch, channels,
/// queries), b (batch, channels, height, width).
template <class T>
void direct_lookup(const LookupGeometry& geometry, std::int64_t channels, double factor, const T* a, const T* b,
                   const T* coordinates, T* output);

/// Gradients, null where not wanted; those by `a` and by the coordinates are added to.
template <class T>
void direct_lookup_gradients(const LookupGeometry& geometry, std::int64_t channels, double factor, const T* a,
                             const T* b, const T* coordinates, const T* d_output, T* d_a, T* d_b, T* d_coordinates);

}  // namespace coppice::cpu
