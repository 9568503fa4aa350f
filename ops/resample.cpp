#include <coppice/ops/resample.h>

#include <coppice/autograd/record.h>
#include <coppice/ops/cpu/resample.h>

namespace coppice {

namespace {

/// With `back`, the transposed map.
Tensor apply(const char* op, const Tensor& input, const std::shared_ptr<const ResamplePlan>& plan, bool back) {
  const cpu::Taps& rows = back ? plan->rows_back : plan->rows;
  const cpu::Taps& columns = back ? plan->columns_back : plan->columns;
  const Tensor x = detail::raw_contiguous(input);
  const Tensor output = Tensor::empty({x.size(0), x.size(1), rows.outputs(), columns.outputs()}, {.dtype = x.dtype()});
  if (output.numel() > 0) {
    dispatch_floating(x.dtype(), op, [&]<class T>() {
      cpu::resample(x.size(0) * x.size(1), rows, columns, x.data<T>(), output.data<T>());
    });
  }
  return record(op, output, {input}, {},
                [op, plan, back](const Saved&, const Tensor& d_output) { return apply(op, d_output, plan, !back); });
}

}  // namespace

Tensor resample(const char* op, const Tensor& input, const std::shared_ptr<const ResamplePlan>& plan) {
  return apply(op, input, plan, false);
}

}  // namespace coppice
