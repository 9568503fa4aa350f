#include <iomanip>
#include <ostream>
#include <sstream>

#include <coppice/core/tensor_impl.h>
#include <coppice/core/weight_state.h>

namespace coppice {

namespace {

void print_elements(std::ostream& out, const std::vector<double>& values, const Shape& shape, DType dtype, int dim,
                    std::int64_t first, int edge_items) {
  if (dim == shape.rank()) {
    const double value = values[static_cast<std::size_t>(first)];
    if (dtype == kBool) {
      out << (value != 0.0 ? "true" : "false");
    } else {
      out << value;
    }
    return;
  }
  std::int64_t step = 1;
  for (int d = dim + 1; d < shape.rank(); ++d) step *= shape[d];
  const std::int64_t size = shape[dim];
  const bool innermost = dim + 1 == shape.rank();
  out << '[';
  for (std::int64_t i = 0; i < size; ++i) {
    if (i > 0) {
      out << (innermost ? ", " : ",\n");
      if (!innermost) out << std::string(static_cast<std::size_t>(dim) + 1, ' ');
    }
    if (size > 2 * edge_items && i == edge_items) {
      out << "...";
      i = size - edge_items - 1;
      continue;
    }
    print_elements(out, values, shape, dtype, dim + 1, first + i * step, edge_items);
  }
  out << ']';
}

}  // namespace

std::ostream& operator<<(std::ostream& out, Layout layout) {
  switch (layout) {
    case Layout::Strided: return out << "strided";
    case Layout::Masked: return out << "masked";
    case Layout::Csr: return out << "csr";
    case Layout::Bsr: return out << "bsr";
    case Layout::Nm: return out << "nm";
  }
  return out;
}

std::ostream& operator<<(std::ostream& out, MemoryFormat format) {
  switch (format) {
    case MemoryFormat::Contiguous: return out << "contiguous";
    case MemoryFormat::ChannelsLast: return out << "channels_last";
    case MemoryFormat::Blocked: return out << "blocked";
  }
  return out;
}

std::string Tensor::to_string(int edge_items) const {
  if (!defined()) return "Tensor undefined";
  std::ostringstream out;
  out << std::setprecision(5) << "Tensor " << dtype() << ' ' << shape();
  if (!device().is_cpu()) out << ' ' << device();
  if (memory_format() != MemoryFormat::Contiguous) out << ' ' << memory_format();
  if (is_masked()) {
    out << " masked, " << weight_state().alive().count() << " of " << numel() << " alive";
  }
  out << '\n';
  print_elements(out, to_vector<double>(), shape(), dtype(), 0, 0, edge_items);
  return out.str();
}

std::ostream& operator<<(std::ostream& out, const Tensor& tensor) { return out << tensor.to_string(); }

}  // namespace coppice
