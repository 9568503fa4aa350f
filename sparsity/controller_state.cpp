// The state of a MaskController as tensors.
//
//   fraction                f64 scalar, of this cycle
//   exploring               i64 scalar, 0 or 1
//   records.steps           i64 (updates, 2): update, step
//   records.shares          f64 (updates, 4): fraction, iou_after_prune, iou_after_grow, ever_alive
//   records.layer_counts    i64 (updates, layers, 5): alive_before, dropped, grown, regrown, alive_after
//   records.layer_shares    f64 (updates, layers, 3): iou_after_prune, iou_after_grow, ever_alive
//   <weight>.before         u8, as in a file; between a drop and its growth only, with
//   <weight>.dropped        u8
//   <weight>.ever_alive     u8
//   <weight>.survivors      i64: the rows of MaskHistory::survivors(), each shorter by one than the one before
//   <weight>.living         i64

#include <utility>

#include <coppice/core/error.h>
#include <coppice/core/io/masked_view.h>
#include <coppice/sparsity/controller_impl.h>

namespace coppice::sparsity {

using detail::ControlledLayer;

namespace {

using State = std::map<std::string, Tensor>;

constexpr std::int64_t kSharesOfRecord = 4;
constexpr std::int64_t kCountsOfLayer = 5;
constexpr std::int64_t kSharesOfLayer = 3;

/// Takes entries out of a state, each with the shape and dtype it must have.
class Reader {
 public:
  explicit Reader(State state) : state_(std::move(state)) {}

  bool has(const std::string& name) const { return state_.contains(name); }
  Tensor take(const std::string& name, DType dtype) {
    const auto entry = state_.extract(name);
    COPPICE_CHECK(!entry.empty(), "[MaskController] load_state_dict expects an entry '", name, "'");
    const Tensor tensor = entry.mapped();
    COPPICE_CHECK(tensor.defined() && tensor.dtype() == dtype, "[MaskController] load_state_dict expects ", dtype,
                  " in '", name, "'; got ", tensor.defined() ? name_of(tensor.dtype()) : "an undefined tensor");
    return tensor;
  }
  template <class T>
  std::vector<T> numbers(const std::string& name, const Shape& shape) {
    const Tensor tensor = take(name, dtype_of<T>());
    COPPICE_CHECK(tensor.shape() == shape, "[MaskController] load_state_dict expects ", shape, " for '", name,
                  "'; got ", tensor.shape());
    return tensor.to_vector<T>();
  }
  std::vector<std::int64_t> vector(const std::string& name) {
    const Tensor tensor = take(name, kInt64);
    COPPICE_CHECK(tensor.dim() == 1, "[MaskController] load_state_dict expects a vector '", name, "'; got ",
                  tensor.shape());
    return tensor.to_vector<std::int64_t>();
  }
  Mask mask(const std::string& name, const Shape& shape) {
    const Tensor bits = take(name, kUInt8);
    try {
      return coppice::detail::mask_of_bits(bits, shape, name);
    } catch (const Error& error) {
      coppice::detail::fail("[MaskController] load_state_dict: ", error.what());
    }
  }
  void check_empty() const {
    COPPICE_CHECK(state_.empty(), "[MaskController] load_state_dict expects nothing more; got '",
                  state_.empty() ? "" : state_.begin()->first, "', of another model or policy");
  }

 private:
  State state_;
};

std::vector<std::vector<std::int64_t>> triangle(const std::vector<std::int64_t>& flat, std::int64_t rows,
                                                const std::string& name) {
  const std::int64_t expected = rows * (rows + 1) / 2;
  COPPICE_CHECK(static_cast<std::int64_t>(flat.size()) == expected, "[MaskController] load_state_dict expects ",
                expected, " numbers in '", name, "' after ", rows, " updates; got ", flat.size());
  std::vector<std::vector<std::int64_t>> result;
  auto next = flat.begin();
  for (std::int64_t row = rows; row > 0; --row) {
    result.emplace_back(next, next + row);
    next += row;
  }
  return result;
}

void save_records(const std::vector<UpdateRecord>& records, std::int64_t layers, State& state) {
  const auto updates = static_cast<std::int64_t>(records.size());
  std::vector<std::int64_t> steps;
  std::vector<double> shares;
  std::vector<std::int64_t> layer_counts;
  std::vector<double> layer_shares;
  for (const UpdateRecord& record : records) {
    for (const std::int64_t number : {record.update, record.step}) steps.push_back(number);
    for (const double share : {record.fraction, record.iou_after_prune, record.iou_after_grow, record.ever_alive}) {
      shares.push_back(share);
    }
    for (const LayerUpdate& layer : record.layers) {
      for (const std::int64_t count :
           {layer.alive_before, layer.dropped, layer.grown, layer.regrown, layer.alive_after}) {
        layer_counts.push_back(count);
      }
      for (const double share : {layer.iou_after_prune, layer.iou_after_grow, layer.ever_alive}) {
        layer_shares.push_back(share);
      }
    }
  }
  state["records.steps"] = Tensor::of(steps, Shape{updates, 2});
  state["records.shares"] = Tensor::of(shares, Shape{updates, kSharesOfRecord});
  state["records.layer_counts"] = Tensor::of(layer_counts, Shape{updates, layers, kCountsOfLayer});
  state["records.layer_shares"] = Tensor::of(layer_shares, Shape{updates, layers, kSharesOfLayer});
}

std::vector<UpdateRecord> load_records(Reader& reader, const std::vector<ControlledLayer>& layers) {
  const Tensor steps = reader.take("records.steps", kInt64);
  COPPICE_CHECK(steps.dim() == 2 && steps.size(1) == 2,
                "[MaskController] load_state_dict expects (updates, 2) for 'records.steps'; got ", steps.shape());
  const std::int64_t updates = steps.size(0);
  const auto count = static_cast<std::int64_t>(layers.size());
  const std::vector<std::int64_t> numbers = steps.to_vector<std::int64_t>();
  const auto shares = reader.numbers<double>("records.shares", {updates, kSharesOfRecord});
  const auto layer_counts = reader.numbers<std::int64_t>("records.layer_counts", {updates, count, kCountsOfLayer});
  const auto layer_shares = reader.numbers<double>("records.layer_shares", {updates, count, kSharesOfLayer});

  auto number = numbers.begin();
  auto share = shares.begin();
  auto layer_count = layer_counts.begin();
  auto layer_share = layer_shares.begin();
  std::vector<UpdateRecord> records;
  for (std::int64_t u = 0; u < updates; ++u) {
    // Braces evaluate in order.
    UpdateRecord record{.update = *number++,
                        .step = *number++,
                        .fraction = *share++,
                        .iou_after_prune = *share++,
                        .iou_after_grow = *share++,
                        .ever_alive = *share++,
                        .layers = {}};
    for (const ControlledLayer& layer : layers) {
      record.layers.push_back({.name = layer.name,
                               .numel = layer.weight.numel(),
                               .alive_before = *layer_count++,
                               .dropped = *layer_count++,
                               .grown = *layer_count++,
                               .regrown = *layer_count++,
                               .alive_after = *layer_count++,
                               .iou_after_prune = *layer_share++,
                               .iou_after_grow = *layer_share++,
                               .ever_alive = *layer_share++});
    }
    records.push_back(std::move(record));
  }
  return records;
}

}  // namespace

std::map<std::string, Tensor> MaskController::state_dict() const {
  COPPICE_CHECK(!impl_->begun, "[MaskController] state_dict expects end_step of iteration ", impl_->begun.value_or(0),
                " first");
  State state;
  state["fraction"] = Tensor::of(std::vector<double>{impl_->fraction}, Shape{});
  state["exploring"] = Tensor::of(std::vector<std::int64_t>{impl_->exploring ? 1 : 0}, Shape{});
  save_records(impl_->records, static_cast<std::int64_t>(impl_->layers.size()), state);
  for (const ControlledLayer& layer : impl_->layers) {
    if (layer.before.defined()) {
      state[layer.name + ".before"] = coppice::detail::bits_of(layer.before);
      state[layer.name + ".dropped"] = coppice::detail::bits_of(layer.dropped);
    }
    std::vector<std::int64_t> survivors;
    for (const std::vector<std::int64_t>& counts : layer.history.survivors()) {
      survivors.insert(survivors.end(), counts.begin(), counts.end());
    }
    state[layer.name + ".ever_alive"] = coppice::detail::bits_of(layer.history.ever_alive());
    state[layer.name + ".survivors"] = Tensor::of(survivors);
    state[layer.name + ".living"] = Tensor::of(layer.history.living());
  }
  return state;
}

void MaskController::load_state_dict(const std::map<std::string, Tensor>& state) {
  COPPICE_CHECK(!impl_->begun, "[MaskController] load_state_dict expects end_step of iteration ",
                impl_->begun.value_or(0), " first");
  Reader reader(state);
  const double fraction = reader.numbers<double>("fraction", {}).front();
  const bool exploring = reader.numbers<std::int64_t>("exploring", {}).front() != 0;
  std::vector<UpdateRecord> records = load_records(reader, impl_->layers);
  const auto updates = static_cast<std::int64_t>(records.size());
  std::vector<ControlledLayer> layers;
  for (const ControlledLayer& layer : impl_->layers) {
    const Shape& shape = layer.weight.shape();
    const std::string survivors = layer.name + ".survivors";
    ControlledLayer& loaded = layers.emplace_back(
        ControlledLayer{.name = layer.name,
                        .weight = layer.weight,
                        .history = detail::MaskHistory::restore(reader.mask(layer.name + ".ever_alive", shape),
                                                                triangle(reader.vector(survivors), updates, survivors),
                                                                reader.vector(layer.name + ".living")),
                        .before = {},
                        .dropped = {},
                        .after_prune = {}});
    if (!reader.has(layer.name + ".before")) continue;
    loaded.before = reader.mask(layer.name + ".before", shape);
    loaded.dropped = reader.mask(layer.name + ".dropped", shape);
    COPPICE_CHECK(loaded.dropped.is_subset_of(loaded.before), "[MaskController] load_state_dict expects '", layer.name,
                  ".dropped' within '", layer.name, ".before'");
    loaded.after_prune = loaded.before - loaded.dropped;
  }
  reader.check_empty();

  impl_->thaw();
  impl_->layers = std::move(layers);
  impl_->records = std::move(records);
  impl_->fraction = fraction;
  if (exploring) impl_->freeze();
}

}  // namespace coppice::sparsity
