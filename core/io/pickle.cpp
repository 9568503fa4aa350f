#include <coppice/core/io/pickle.h>

#include <algorithm>
#include <array>
#include <bit>
#include <map>

#include <coppice/core/error.h>

namespace coppice::detail {

namespace {

using Kind = PickleValue::Kind;

constexpr std::array<std::pair<std::string_view, DType>, 8> kStorages{{{"FloatStorage", kFloat32},
                                                                       {"DoubleStorage", kFloat64},
                                                                       {"HalfStorage", kFloat16},
                                                                       {"BFloat16Storage", kBFloat16},
                                                                       {"LongStorage", kInt64},
                                                                       {"IntStorage", kInt32},
                                                                       {"ByteStorage", kUInt8},
                                                                       {"BoolStorage", kBool}}};
constexpr std::string_view kOrderedDict = "collections OrderedDict", kSize = "torch Size",
                           kTensor = "torch._utils _rebuild_tensor", kTensor2 = "torch._utils _rebuild_tensor_v2",
                           kParameter = "torch._utils _rebuild_parameter";
constexpr std::string_view kStoragePrefix = "torch ";
constexpr std::size_t kLongestKey = 32;  // they are decimal numbers

/// The dtype of a `torch FloatStorage`; null for any other name.
const DType* storage_dtype(std::string_view global) {
  if (!global.starts_with(kStoragePrefix)) return nullptr;
  global.remove_prefix(kStoragePrefix.size());
  const auto* found = std::ranges::find(kStorages, global, &std::pair<std::string_view, DType>::first);
  return found == kStorages.end() ? nullptr : &found->second;
}

std::string printable(std::string_view text) {
  std::string shown = "'";
  for (const char c : text.substr(0, 60)) shown += c < 0x20 || c == 0x7F ? '?' : c;
  return shown += text.size() > 60 ? "…'" : "'";
}

}  // namespace

/// A stack machine, as the pickle format wants it.
class PickleReader {
 public:
  PickleReader(Pickle& pickle, std::string_view bytes, const std::string& name)
      : pickle_(pickle), bytes_(bytes), name_(name) {}

  void run() {
    while (step(take(1)[0])) {
    }
    pickle_.value_ = pop();
    pickle_.size_ = at_;
  }

 private:
  Pickle& pickle_;
  std::string_view bytes_;
  const std::string& name_;
  std::size_t at_ = 0;
  std::vector<PickleValue*> stack_;
  std::vector<std::size_t> marks_;
  std::map<std::uint64_t, PickleValue*> memo_;

  template <class... Parts>
  [[noreturn]] void reject(const Parts&... parts) const {
    detail::fail("[pth] ", name_, ": pickle expects ", parts..., " (byte ", at_, ')');
  }
  template <class... Parts>
  void require(bool condition, const Parts&... expectation) const {
    if (!condition) reject(expectation...);
  }

  std::string_view take(std::uint64_t count) {
    require(count <= bytes_.size() - at_, count, " more bytes; got ", bytes_.size() - at_);
    const std::string_view taken = bytes_.substr(at_, count);
    at_ += count;
    return taken;
  }
  std::uint64_t number(std::size_t width) {
    const std::string_view bytes = take(width);
    std::uint64_t value = 0;
    for (std::size_t i = width; i-- > 0;) value = value << 8 | static_cast<unsigned char>(bytes[i]);
    return value;
  }
  std::string_view line() {
    const std::size_t end = bytes_.find('\n', at_);
    require(end != std::string_view::npos, "a line's end");
    const std::string_view text = take(end - at_);
    take(1);
    return text;
  }

  PickleValue& push(Kind kind) {
    PickleValue& value = pickle_.values_.emplace_back();
    value.kind = kind;
    stack_.push_back(&value);
    return value;
  }
  void push_text(std::uint64_t length) { push(Kind::Text).text = take(length); }
  void push_int(std::int64_t value) { push(Kind::Int).integer = value; }
  void push_bool(bool value) { push(Kind::Bool).integer = value ? 1 : 0; }

  /// How many values lie above the last mark.
  std::size_t above_mark() const { return stack_.size() - (marks_.empty() ? 0 : marks_.back()); }
  PickleValue* pop() {
    require(above_mark() > 0, "a value on its stack");
    PickleValue* value = stack_.back();
    stack_.pop_back();
    return value;
  }
  PickleValue& top() {
    require(above_mark() > 0, "a value on its stack");
    return *stack_.back();
  }
  std::vector<const PickleValue*> pop_mark() {
    require(!marks_.empty(), "a mark on its stack");
    const auto first = stack_.begin() + static_cast<std::ptrdiff_t>(marks_.back());
    std::vector<const PickleValue*> values(first, stack_.end());
    stack_.erase(first, stack_.end());
    marks_.pop_back();
    return values;
  }
  void push_tuple(std::size_t count) {
    std::vector<const PickleValue*> items(count);
    for (std::size_t i = count; i-- > 0;) items[i] = pop();
    push(Kind::Sequence).items = std::move(items);
  }

  void push_long(std::uint64_t width) {
    const std::string_view bytes = take(width);
    if (width > 8) {
      push(Kind::LongInt);
      return;
    }
    std::uint64_t value = width > 0 && (bytes.back() & 0x80) != 0 ? ~std::uint64_t{0} : 0;
    for (std::size_t i = width; i-- > 0;) value = value << 8 | static_cast<unsigned char>(bytes[i]);
    push_int(std::bit_cast<std::int64_t>(value));
  }

  void push_global(std::string_view module, std::string_view name) {
    std::string global(module);
    (global += ' ') += name;
    constexpr std::array kKnown{kOrderedDict, kSize, kTensor, kTensor2, kParameter};
    if (storage_dtype(global) == nullptr && std::ranges::find(kKnown, global) == kKnown.end()) {
      detail::fail("[pth] ", name_, ": expects tensors, numbers, text, lists and dictionaries; got ", printable(module),
                   " ", printable(name), ", which is not built; save a state dict alone");
    }
    push(Kind::Global).text = std::move(global);
  }

  void append(const std::vector<const PickleValue*>& values) {
    PickleValue& list = top();
    require(list.kind == Kind::Sequence, "a list to append to");
    list.items.insert(list.items.end(), values.begin(), values.end());
  }
  void set(const std::vector<const PickleValue*>& values) {
    PickleValue& dict = top();
    require(dict.kind == Kind::Dict && values.size() % 2 == 0, "a dictionary and pairs to set in it");
    for (std::size_t i = 0; i < values.size(); i += 2) dict.entries.emplace_back(values[i], values[i + 1]);
  }
  void remember(std::uint64_t index) { memo_[index] = &top(); }
  void recall(std::uint64_t index) {
    const auto found = memo_.find(index);
    require(found != memo_.end(), "a value remembered as ", index);
    stack_.push_back(found->second);
  }

  const PickleValue& argument(const PickleValue& tuple, std::size_t index, Kind kind) const {
    require(index < tuple.items.size() && tuple.items[index]->kind == kind, "another argument ", index);
    return *tuple.items[index];
  }
  Dims dims(const PickleValue& tuple) const {
    require(tuple.items.size() <= static_cast<std::size_t>(kMaxRank), "at most ", kMaxRank, " dimensions; got ",
            tuple.items.size());
    Dims result;
    for (std::size_t i = 0; i < tuple.items.size(); ++i) {
      const std::int64_t size = argument(tuple, i, Kind::Int).integer;
      require(size >= 0, "sizes and strides of at least 0; got ", size);
      result.push_back(size);
    }
    return result;
  }

  void reduce() {
    const PickleValue& arguments = *pop();
    const PickleValue& function = *pop();
    require(arguments.kind == Kind::Sequence && function.kind == Kind::Global,
            "a known name and a tuple to call it with");
    if (function.text == kOrderedDict) {
      require(arguments.items.empty(), "an OrderedDict without arguments");
      push(Kind::Dict);
    } else if (function.text == kSize) {
      const PickleValue& sizes = argument(arguments, 0, Kind::Sequence);
      dims(sizes);  // bounds what is copied
      push(Kind::Sequence).items = sizes.items;
    } else if (function.text == kParameter) {
      PickleValue copy = argument(arguments, 0, Kind::Tensor);
      push(Kind::Tensor) = std::move(copy);
    } else if (function.text == kTensor || function.text == kTensor2) {
      push_tensor(arguments);
    } else {
      reject("a call of a known function; got ", printable(function.text));
    }
  }

  void push_tensor(const PickleValue& arguments) {
    const PickleValue& storage = argument(arguments, 0, Kind::Storage);
    const std::int64_t first = argument(arguments, 1, Kind::Int).integer;
    const Dims sizes = dims(argument(arguments, 2, Kind::Sequence));
    const Dims strides = dims(argument(arguments, 3, Kind::Sequence));
    require(sizes.rank() == strides.rank(), "a stride for every size");
    PickleValue tensor{.kind = Kind::Tensor, .items = {&storage}};
    try {
      tensor.shape = Shape(sizes);
    } catch (const Error& error) {
      reject("a possible shape; got ", error.what());
    }
    // first + Σ (size - 1) · stride is the last element that is read; it and the number of elements must be in the
    // storage, so that expanded views do not ask for more than the file holds.
    std::int64_t last = first;
    bool fits = first >= 0 && tensor.shape.numel() <= storage.integer;
    for (int i = 0; i < sizes.rank() && tensor.shape.numel() > 0; ++i) {
      std::int64_t reach = 0;
      fits = fits && !__builtin_mul_overflow(sizes[i] - 1, strides[i], &reach) &&
             !__builtin_add_overflow(last, reach, &last);
    }
    require(fits && (tensor.shape.numel() == 0 || last < storage.integer), "a tensor ", tensor.shape,
            " within its storage of ", storage.integer);
    tensor.integer = first;
    tensor.strides = Strides(strides.span());
    push(Kind::Tensor) = std::move(tensor);
  }

  /// ("storage", class, key, location, elements), and in the format before zip archives a view: None.
  void persistent() {
    const PickleValue& id = *pop();
    require(id.kind == Kind::Sequence && argument(id, 0, Kind::Text).text == "storage", "the id of a storage");
    const DType* dtype = storage_dtype(argument(id, 1, Kind::Global).text);
    require(dtype != nullptr, "the class of a storage");
    require(id.items.size() == 5 || (id.items.size() == 6 && id.items[5]->kind == Kind::None),
            "a storage that is no view of another");
    PickleValue storage{.kind = Kind::Storage, .dtype = *dtype};
    storage.text = argument(id, 2, Kind::Text).text.substr(0, kLongestKey);
    storage.integer = argument(id, 4, Kind::Int).integer;
    require(storage.integer >= 0, "a storage of at least 0 elements; got ", storage.integer);
    push(Kind::Storage) = std::move(storage);
  }

  /// False at the end.
  bool step(char code) {
    switch (static_cast<unsigned char>(code)) {
      case 0x80: take(1); break;  // PROTO
      case 0x95: take(8); break;  // FRAME
      case '.': return false;     // STOP
      case 'N': push(Kind::None); break;
      case 0x88: push_bool(true); break;   // NEWTRUE
      case 0x89: push_bool(false); break;  // NEWFALSE
      case 'J': push_int(std::bit_cast<std::int32_t>(static_cast<std::uint32_t>(number(4)))); break;
      case 'K': push_int(static_cast<std::int64_t>(number(1))); break;
      case 'M': push_int(static_cast<std::int64_t>(number(2))); break;
      case 0x8A: push_long(number(1)); break;  // LONG1
      case 0x8B: push_long(number(4)); break;  // LONG4
      case 'G': {
        const std::uint64_t bits = __builtin_bswap64(number(8));
        push(Kind::Float).number = std::bit_cast<double>(bits);
        break;
      }
      case 'X': push_text(number(4)); break;   // BINUNICODE
      case 0x8C: push_text(number(1)); break;  // SHORT_BINUNICODE
      case 0x8D: push_text(number(8)); break;  // BINUNICODE8
      case 'U': push_text(number(1)); break;   // SHORT_BINSTRING, of Python 2
      case 'T': push_text(number(4)); break;   // BINSTRING
      case '}': push(Kind::Dict); break;
      case ']':
      case ')': push(Kind::Sequence); break;
      case '(': marks_.push_back(stack_.size()); break;
      case 't': {
        std::vector<const PickleValue*> items = pop_mark();
        push(Kind::Sequence).items = std::move(items);
        break;
      }
      case 0x85: push_tuple(1); break;
      case 0x86: push_tuple(2); break;
      case 0x87: push_tuple(3); break;
      case 'a': {
        const PickleValue* value = pop();
        append({value});
        break;
      }
      case 'e': append(pop_mark()); break;
      case 's': {
        const PickleValue* value = pop();
        const PickleValue* key = pop();
        set({key, value});
        break;
      }
      case 'u': set(pop_mark()); break;
      case 'q': remember(number(1)); break;
      case 'r': remember(number(4)); break;
      case 0x94: remember(memo_.size()); break;  // MEMOIZE
      case 'h': recall(number(1)); break;
      case 'j': recall(number(4)); break;
      case 'c': {
        const std::string_view module = line();
        push_global(module, line());
        break;
      }
      case 0x93: {  // STACK_GLOBAL
        const PickleValue& name = *pop();
        const PickleValue& module = *pop();
        require(name.kind == Kind::Text && module.kind == Kind::Text, "a module and a name as text");
        push_global(module.text, name.text);
        break;
      }
      case 'R': reduce(); break;
      case 'b': {  // BUILD: the attributes of an OrderedDict, `_metadata` of a state dict, say nothing about tensors
        pop();
        require(top().kind == Kind::Dict, "attributes of a dictionary only");
        break;
      }
      case 'Q': persistent(); break;
      default: reject("the code of a state dict; got byte ", static_cast<int>(static_cast<unsigned char>(code)));
    }
    return true;
  }
};

Pickle::Pickle(std::string_view bytes, const std::string& name) { PickleReader(*this, bytes, name).run(); }

namespace {

void append_number(std::string& bytes, std::uint64_t value, std::size_t width) {
  for (std::size_t i = 0; i < width; ++i) bytes += static_cast<char>(value >> 8 * i);
}
void append_text(std::string& bytes, std::string_view text) {
  bytes += 'X';
  append_number(bytes, text.size(), 4);
  bytes += text;
}
void append_int(std::string& bytes, std::int64_t value) {
  bytes += "\x8A\x08";
  append_number(bytes, static_cast<std::uint64_t>(value), 8);
}
void append_tuple(std::string& bytes, const Dims& values) {
  bytes += '(';
  for (const std::int64_t value : values) append_int(bytes, value);
  bytes += 't';
}

}  // namespace

std::string pickle_tensors(const std::vector<PickledTensor>& tensors) {
  constexpr std::string_view kEmptyDict = "ccollections\nOrderedDict\n)R";
  std::string bytes = "\x80\x02";
  bytes += kEmptyDict;
  bytes += '(';
  for (std::size_t i = 0; i < tensors.size(); ++i) {
    const auto& [name, dtype, shape] = tensors[i];
    const auto* storage = std::ranges::find(kStorages, dtype, &std::pair<std::string_view, DType>::second);
    append_text(bytes, name);
    bytes += "ctorch._utils\n_rebuild_tensor_v2\n((";
    append_text(bytes, "storage");
    ((bytes += "ctorch\n") += storage->first) += '\n';
    append_text(bytes, std::to_string(i));
    append_text(bytes, "cpu");
    append_int(bytes, shape.numel());
    bytes += "tQK";
    bytes += '\0';  // starts at element 0
    append_tuple(bytes, shape);
    append_tuple(bytes, contiguous_strides(shape));
    bytes += '\x89';  // requires no gradient
    bytes += kEmptyDict;
    bytes += "tR";
  }
  return bytes += "u.";
}

}  // namespace coppice::detail
