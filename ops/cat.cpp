#include <coppice/ops/cat.h>

#include <utility>

#include <coppice/autograd/record.h>
#include <coppice/ops/rearrange.h>

namespace coppice {
namespace {

/// What one input is of the result.
struct Piece {
  std::int64_t start, size;
  DType dtype;
  bool skipped;
};

class CatNode final : public Node {
 public:
  CatNode(int dim, std::vector<Piece> pieces) : Node("cat"), dim_(dim), pieces_(std::move(pieces)) {}

  Gradients apply(const std::vector<Tensor>& d_outputs) override {
    Gradients gradients(pieces_.size());
    for (std::size_t i = 0; i < pieces_.size(); ++i) {
      const Piece& piece = pieces_[i];
      if (!needs(static_cast<int>(i))) continue;
      gradients[i] = piece.skipped ? Tensor::zeros({0}, {.dtype = piece.dtype})
                                   : d_outputs[0].narrow(dim_, piece.start, piece.size).to(piece.dtype);
    }
    return gradients;
  }

 private:
  int dim_;
  std::vector<Piece> pieces_;
};

struct Joined {
  Shape shape;
  DType dtype = kFloat32;
  int dim = 0;
  std::vector<Piece> pieces;
};

bool is_skipped(const Shape& shape) { return shape == Shape{0}; }

Joined check_cat(const std::vector<Tensor>& tensors, int dim) {
  COPPICE_CHECK(!tensors.empty(), "[cat] expects at least one tensor; got none");
  Joined joined;
  const Tensor* first = nullptr;
  joined.dtype = tensors.front().dtype();
  for (const Tensor& tensor : tensors) {
    check_dense_cpu("cat", tensor);
    joined.dtype = promote_types(joined.dtype, tensor.dtype());
    if (!first && !is_skipped(tensor.shape())) first = &tensor;
  }
  if (!first) first = &tensors.front();
  joined.shape = first->shape();
  COPPICE_CHECK(!joined.shape.empty(), "[cat] expects tensors with dimensions; got a scalar; use stack()");
  joined.dim = normalize_dim(dim, joined.shape.rank(), "cat");
  joined.shape[joined.dim] = 0;
  for (const Tensor& tensor : tensors) {
    const bool skipped = is_skipped(tensor.shape());
    Shape wanted = joined.shape;
    if (!skipped && tensor.dim() == wanted.rank()) wanted[joined.dim] = tensor.size(joined.dim);
    COPPICE_CHECK(skipped || tensor.shape() == wanted, "[cat] sizes must be equal but along dimension ", joined.dim,
                  "; got ", first->shape(), " and ", tensor.shape());
    const std::int64_t size = skipped ? 0 : tensor.size(joined.dim);
    joined.pieces.push_back({joined.shape[joined.dim], size, tensor.dtype(), skipped});
    joined.shape[joined.dim] += size;
  }
  joined.shape = Shape(joined.shape.span());
  return joined;
}

}  // namespace

Tensor cat(const std::vector<Tensor>& tensors, int dim) {
  Joined joined = check_cat(tensors, dim);
  const Tensor output = Tensor::empty(joined.shape, {.dtype = joined.dtype});
  for (std::size_t i = 0; i < tensors.size(); ++i) {
    const Piece& piece = joined.pieces[i];
    if (!piece.skipped) detail::copy_into(output.narrow(joined.dim, piece.start, piece.size), unblocked(tensors[i]));
  }
  if (!detail::needs_record(tensors.data(), tensors.size())) return output;
  const auto node = make_intrusive<CatNode>(joined.dim, std::move(joined.pieces));
  node->set_inputs(tensors.data(), tensors.size());
  node->adopt_output(output);
  return output;
}

Tensor stack(const std::vector<Tensor>& tensors, int dim) {
  COPPICE_CHECK(!tensors.empty(), "[stack] expects at least one tensor; got none");
  const Shape& shape = tensors.front().shape();
  std::vector<Tensor> pieces;
  pieces.reserve(tensors.size());
  const int position = normalize_dim(dim, shape.rank() + 1, "stack");
  for (const Tensor& tensor : tensors) {
    COPPICE_CHECK(tensor.shape() == shape, "[stack] expects tensors of one shape; got ", shape, " and ",
                  tensor.shape());
    pieces.push_back(tensor.unsqueeze(position));
  }
  return cat(pieces, position);
}

}  // namespace coppice
