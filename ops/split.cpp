#include <coppice/ops/split.h>

#include <algorithm>
#include <utility>

#include <coppice/autograd/record.h>
#include <coppice/ops/cat.h>
#include <coppice/ops/rearrange.h>

namespace coppice {
namespace {

/// The parts, or slices, of one tensor: their gradients are joined at once, with zeros for parts nobody used.
class PartsNode final : public Node {
 public:
  PartsNode(const char* op, int dim, bool slices, std::vector<Shape> shapes)
      : Node(op), dim_(dim), slices_(slices), shapes_(std::move(shapes)) {}

  Gradients apply(const std::vector<Tensor>& d_outputs) override {
    std::vector<Tensor> parts = d_outputs;
    const auto used = std::find_if(parts.begin(), parts.end(), [](const Tensor& part) { return part.defined(); });
    const DType dtype = used->dtype();
    for (std::size_t i = 0; i < parts.size(); ++i) {
      if (!parts[i].defined()) parts[i] = Tensor::zeros(shapes_[i], {.dtype = dtype});
    }
    return {slices_ ? stack(parts, dim_) : cat(parts, dim_)};
  }

 private:
  int dim_;
  bool slices_;
  std::vector<Shape> shapes_;
};

std::vector<Tensor> recorded(const char* op, const Tensor& input, int dim, bool slices, std::vector<Tensor> parts) {
  if (parts.empty() || !detail::needs_record({input})) return parts;
  std::vector<Shape> shapes;
  for (const Tensor& part : parts) shapes.push_back(part.shape());
  const auto node = make_intrusive<PartsNode>(op, dim, slices, std::move(shapes));
  node->set_inputs(&input, 1);
  for (const Tensor& part : parts) node->adopt_output(part);
  return parts;
}

int check_split(const char* op, const Tensor& input, int dim) {
  check_dense_cpu(op, input);
  COPPICE_CHECK(input.dim() > 0, "[", op, "] expects at least one dimension; got a scalar");
  return normalize_dim(dim, input.dim(), op);
}

std::vector<Tensor> split_evenly(const Tensor& input, std::int64_t size, int dim) {
  std::vector<std::int64_t> sizes;
  std::int64_t left = input.size(dim);
  do {
    sizes.push_back(std::min(left, size));
    left -= sizes.back();
  } while (left > 0);
  return split(input, sizes, dim);
}

}  // namespace

std::vector<Tensor> split(const Tensor& input, std::int64_t split_size, int dim) {
  const int along = check_split("split", input, dim);
  COPPICE_CHECK(split_size > 0 || (split_size == 0 && input.size(along) == 0),
                "[split] expects a positive split_size; got ", split_size, " for ", input.shape());
  return split_evenly(input, split_size, along);
}

std::vector<Tensor> split(const Tensor& input, const std::vector<std::int64_t>& split_sizes, int dim) {
  const int along = check_split("split", input, dim);
  std::int64_t total = 0;
  for (const std::int64_t size : split_sizes) {
    COPPICE_CHECK(size >= 0, "[split] expects sizes of at least 0; got ", size, " for ", input.shape());
    total += size;
  }
  COPPICE_CHECK(total == input.size(along), "[split] sizes must sum to that of dimension ", along, "; got ", total,
                " for ", input.shape());
  std::vector<Tensor> parts;
  {
    const NoGrad no_grad;
    const Tensor source = unblocked(input).detach();
    std::int64_t start = 0;
    for (const std::int64_t size : split_sizes) {
      parts.push_back(source.narrow(along, start, size));
      start += size;
    }
  }
  return recorded("split", input, along, false, std::move(parts));
}

std::vector<Tensor> chunk(const Tensor& input, std::int64_t chunks, int dim) {
  const int along = check_split("chunk", input, dim);
  COPPICE_CHECK(chunks > 0, "[chunk] expects at least one chunk; got ", chunks, " for ", input.shape());
  const std::int64_t size = input.size(along);
  if (size == 0) return split(input, std::vector<std::int64_t>(static_cast<std::size_t>(chunks), 0), along);
  return split_evenly(input, (size + chunks - 1) / chunks, along);
}

std::vector<Tensor> unbind(const Tensor& input, int dim) {
  const int along = check_split("unbind", input, dim);
  std::vector<Tensor> parts;
  {
    const NoGrad no_grad;
    const Tensor source = unblocked(input).detach();
    for (std::int64_t i = 0; i < input.size(along); ++i) parts.push_back(source.select(along, i));
  }
  return recorded("unbind", input, along, true, std::move(parts));
}

}  // namespace coppice
