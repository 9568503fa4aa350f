#pragma once

#include <cstddef>
#include <cstdint>
#include <deque>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include <coppice/core/dtype.h>
#include <coppice/core/shape.h>

namespace coppice::detail {

/// A value of a pickled state dict. References between values are pointers into the Pickle that owns all of them.
struct PickleValue {
  enum class Kind : std::uint8_t { None, Bool, Int, LongInt, Float, Text, Sequence, Dict, Global, Storage, Tensor };

  Kind kind = Kind::None;
  std::int64_t integer = 0;  ///< of Int and Bool; elements of a Storage; first element of a Tensor
  double number = 0.0;
  std::string text{};                       ///< of Text; `module name` of a Global; key of a Storage
  std::vector<const PickleValue*> items{};  ///< of a Sequence; of a Tensor: its Storage
  std::vector<std::pair<const PickleValue*, const PickleValue*>> entries{};  ///< of a Dict, in order
  DType dtype = kFloat32;                                                    ///< of a Storage
  Shape shape{};                                                             ///< of a Tensor
  Strides strides{};                                                         ///< of a Tensor, in elements
};

/// Reads one pickle of those torch.save writes (protocol 2, and what later protocols write for the same values).
///
/// Nothing is executed: of the names a pickle may import, the few that build a tensor or an ordered dictionary are
/// recognised, and every other is refused by an error that names it. Memory stays proportional to the text.
/// Throws `[pth] file: …`.
class Pickle {
 public:
  /// `name` stands for the file in messages.
  Pickle(std::string_view bytes, const std::string& name);
  Pickle(Pickle&&) = default;

  const PickleValue& value() const { return *value_; }
  /// Bytes up to the end of the pickle.
  std::size_t size() const { return size_; }

 private:
  friend class PickleReader;
  std::deque<PickleValue> values_;
  const PickleValue* value_ = nullptr;
  std::size_t size_ = 0;
};

/// What a pickle says of one tensor by name.
struct PickledTensor {
  std::string name;
  DType dtype = kFloat32;
  Shape shape{};
};

/// The pickle (protocol 2) of an ordered dictionary of contiguous tensors, of which number i lies in storage `i`.
std::string pickle_tensors(const std::vector<PickledTensor>& tensors);

}  // namespace coppice::detail
