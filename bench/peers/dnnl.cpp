// oneDNN as a peer: matrix products with packed weights, the three passes of convolution in the layouts it prefers.

#include <memory>
#include <unordered_map>

#include <oneapi/dnnl/dnnl.hpp>

#include "bench/peers/protocol.h"

namespace coppice::peers {
namespace {

using dnnl::memory;
using Tag = memory::format_tag;

struct Session {
  dnnl::engine engine{dnnl::engine::kind::cpu, 0};
  dnnl::stream stream{engine};
};

Session& session() {
  static Session shared;
  return shared;
}

memory filled(const memory::desc& desc) {
  memory result(desc, session().engine);
  fill(static_cast<float*>(result.get_data_handle()), static_cast<long>(desc.get_size() / sizeof(float)));
  return result;
}

memory::desc any(const memory::dims& dims) { return {dims, memory::data_type::f32, Tag::any}; }

template <class Primitive>
Call call_of(Primitive primitive, std::unordered_map<int, memory> operands) {
  return [primitive, operands] {
    primitive.execute(session().stream, operands);
    session().stream.wait();
  };
}

Call gemm(const Arguments& a) {
  const long m = a.number("m"), n = a.number("n"), k = a.number("k");
  const dnnl::matmul::primitive_desc desc({any({m, k}), any({k, n}), any({m, n})}, session().engine);
  return call_of(dnnl::matmul(desc), {{DNNL_ARG_SRC, filled(desc.src_desc())},
                                      {DNNL_ARG_WEIGHTS, filled(desc.weights_desc())},
                                      {DNNL_ARG_DST, filled(desc.dst_desc())}});
}

Call conv(const Arguments& a) {
  const long n = a.number("n"), ci = a.number("ci"), co = a.number("co"), h = a.number("h"), k = a.number("k"),
             stride = a.number("stride"), pad = k / 2, o = (h + 2 * pad - k) / stride + 1;
  const std::string pass = a.text("pass");
  const memory::desc x = any({n, ci, h, h}), w = any({co, ci, k, k}), y = any({n, co, o, o});
  const memory::dims strides{stride, stride}, pads{pad, pad};
  const auto direct = dnnl::algorithm::convolution_direct;
  const dnnl::convolution_forward::primitive_desc forward(
      {dnnl::prop_kind::forward_training, direct, x, w, y, strides, pads, pads}, session().engine);
  if (pass == "forward") {
    return call_of(dnnl::convolution_forward(forward), {{DNNL_ARG_SRC, filled(forward.src_desc())},
                                                        {DNNL_ARG_WEIGHTS, filled(forward.weights_desc())},
                                                        {DNNL_ARG_DST, filled(forward.dst_desc())}});
  }
  if (pass == "data") {
    const dnnl::convolution_backward_data::primitive_desc data({direct, x, w, y, strides, pads, pads}, session().engine,
                                                               forward);
    return call_of(dnnl::convolution_backward_data(data), {{DNNL_ARG_DIFF_SRC, filled(data.diff_src_desc())},
                                                           {DNNL_ARG_WEIGHTS, filled(data.weights_desc())},
                                                           {DNNL_ARG_DIFF_DST, filled(data.diff_dst_desc())}});
  }
  const dnnl::convolution_backward_weights::primitive_desc weight({direct, x, w, y, strides, pads, pads},
                                                                  session().engine, forward);
  return call_of(dnnl::convolution_backward_weights(weight),
                 {{DNNL_ARG_SRC, filled(weight.src_desc())},
                  {DNNL_ARG_DIFF_WEIGHTS, filled(weight.diff_weights_desc())},
                  {DNNL_ARG_DIFF_DST, filled(weight.diff_dst_desc())}});
}

}  // namespace
}  // namespace coppice::peers

int main() {
  const dnnl_version_t* const v = dnnl_version();
  std::ostringstream name;
  name << "oneDNN\t" << v->major << '.' << v->minor << '.' << v->patch << "\tpacked weights, blocked layouts";
  return coppice::peers::serve(name.str(), {{"gemm", coppice::peers::gemm}, {"conv", coppice::peers::conv}});
}
