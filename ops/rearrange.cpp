#include <coppice/ops/rearrange.h>

#include <utility>

#include <coppice/autograd/record.h>
#include <coppice/core/tensor_impl.h>
#include <coppice/ops/cpu/take.h>

namespace coppice {
namespace {

/// One pass over the output. `fill` is the value where a source is -1.
Tensor raw_rearrange(const Tensor& input, const std::vector<DimSource>& sources, double fill) {
  const Tensor from = unblocked(input);
  const int rank = from.dim();
  std::vector<const DimSource*> replaced(static_cast<std::size_t>(rank), nullptr);
  Shape shape = from.shape();
  for (const DimSource& entry : sources) {
    replaced[static_cast<std::size_t>(entry.dim)] = &entry;
    shape[entry.dim] = static_cast<std::int64_t>(entry.source.size());
  }
  shape = Shape(shape.span());
  Tensor output = Tensor::empty(shape, {.dtype = from.dtype()});
  if (shape.numel() == 0) return output;

  cpu::TakeGeometry geometry{.rank = rank};
  while (geometry.rank > 0 && !replaced[static_cast<std::size_t>(geometry.rank - 1)] &&
         (shape[geometry.rank - 1] == 1 || from.strides()[geometry.rank - 1] == geometry.run)) {
    geometry.run *= shape[--geometry.rank];
  }
  std::vector<std::vector<std::int64_t>> places(static_cast<std::size_t>(geometry.rank));
  for (int d = 0; d < geometry.rank; ++d) {
    const auto dim = static_cast<std::size_t>(d);
    const std::int64_t stride = from.strides()[d];
    places[dim].resize(static_cast<std::size_t>(shape[d]));
    for (std::size_t i = 0; i < places[dim].size(); ++i) {
      const std::int64_t source = replaced[dim] ? replaced[dim]->source[i] : static_cast<std::int64_t>(i);
      places[dim][i] = source < 0 ? cpu::kNowhere : source * stride;
    }
    geometry.size[dim] = shape[d];
    geometry.place[dim] = places[dim].data();
  }
  const Tensor filling = Tensor::full({}, fill, {.dtype = from.dtype()});
  cpu::take(geometry, size_of(from.dtype()), from.raw_data(), output.raw_data(), filling.raw_data());
  return output;
}

/// Where each of `size` input coordinates is shown, as one table; empty where one is shown twice.
std::vector<std::int64_t> inverse_of(const std::vector<std::int64_t>& source, std::int64_t size) {
  std::vector<std::int64_t> inverse(static_cast<std::size_t>(size), -1);
  for (std::size_t i = 0; i < source.size(); ++i) {
    if (source[i] < 0) continue;
    std::int64_t& shown = inverse[static_cast<std::size_t>(source[i])];
    if (shown >= 0) return {};
    shown = static_cast<std::int64_t>(i);
  }
  return inverse;
}

/// Sums along one dimension what each of `size` coordinates was shown as.
Tensor raw_sum_shown(const Tensor& shown, const DimSource& entry, std::int64_t size) {
  std::vector<std::int64_t> first(static_cast<std::size_t>(size) + 1, 0);
  for (const std::int64_t source : entry.source) {
    if (source >= 0) ++first[static_cast<std::size_t>(source) + 1];
  }
  for (std::size_t i = 1; i < first.size(); ++i) first[i] += first[i - 1];
  std::vector<std::int64_t> listed(static_cast<std::size_t>(first.back()));
  std::vector<std::int64_t> next(first.begin(), first.end() - 1);
  for (std::size_t i = 0; i < entry.source.size(); ++i) {
    if (entry.source[i] < 0) continue;
    listed[static_cast<std::size_t>(next[static_cast<std::size_t>(entry.source[i])]++)] = static_cast<std::int64_t>(i);
  }
  const Tensor from = detail::raw_contiguous(shown);
  Shape shape = from.shape();
  shape[entry.dim] = size;
  Tensor output = Tensor::empty(shape, {.dtype = from.dtype()});
  cpu::SumListsGeometry geometry{1, from.shape()[entry.dim], size, 1, first.data(), listed.data()};
  for (int d = 0; d < shape.rank(); ++d) {
    if (d != entry.dim) (d < entry.dim ? geometry.outer : geometry.inner) *= shape[d];
  }
  dispatch_floating(from.dtype(), "rearrange",
                    [&]<class T>() { cpu::sum_lists(geometry, from.data<T>(), output.data<T>()); });
  return output;
}

/// The adjoint of rearrange with fill 0; `shape` is that of its input.
Tensor rearrange_backward(const char* op, const Tensor& d_output, const std::vector<DimSource>& sources,
                          const Shape& shape) {
  std::vector<DimSource> inverses;
  Tensor output = unblocked(d_output);
  for (const DimSource& entry : sources) {
    std::vector<std::int64_t> inverse = inverse_of(entry.source, shape[entry.dim]);
    if (!inverse.empty() || shape[entry.dim] == 0) {
      inverses.push_back({entry.dim, std::move(inverse)});
    } else {
      output = raw_sum_shown(output, entry, shape[entry.dim]);
    }
  }
  if (!inverses.empty()) output = raw_rearrange(output, inverses, 0.0);
  return record(op, std::move(output), {d_output}, {},
                [op, sources](const Saved&, const Tensor& again) { return rearrange(op, again, sources); });
}

}  // namespace

void check_dense_cpu(const char* op, const Tensor& input) {
  const TensorImpl& impl = detail::require_strided(input, op);
  COPPICE_CHECK(impl.device.is_cpu(), "[", op, "] has no kernel for ", impl.device, "; got ", impl.shape,
                "; copy with to(kCpu)");
}

Tensor unblocked(const Tensor& input) { return detail::is_blocked(input) ? detail::raw_contiguous(input) : input; }

Tensor rearrange(const char* op, const Tensor& input, std::vector<DimSource> sources, double fill) {
  Tensor output = raw_rearrange(input, sources, fill);
  if (!detail::needs_record({input})) return output;
  return record(op, std::move(output), {input}, {},
                [op, sources = std::move(sources), shape = input.shape()](const Saved&, const Tensor& d_output) {
                  return rearrange_backward(op, d_output, sources, shape);
                });
}

}  // namespace coppice
