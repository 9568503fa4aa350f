#include <coppice/core/io/pth.h>

#include <algorithm>
#include <bit>
#include <charconv>
#include <cstring>
#include <fstream>
#include <optional>
#include <sstream>
#include <string_view>
#include <utility>

#include <coppice/core/io/pickle.h>
#include <coppice/core/io/stored_zip.h>
#include <coppice/core/tensor_impl.h>

namespace coppice {

static_assert(std::endian::native == std::endian::little, "the data read here is little-endian");

namespace {

using detail::PickleValue;
using Kind = PickleValue::Kind;

// The pickled number with which files before the zip archives begin.
constexpr std::string_view kLegacyMagic{"\x80\x02\x8A\x0A\x6C\xFC\x9C\x46\xF9\x20\x6A\xA8\x50\x19.", 15};
constexpr int kDeepest = 32;
// Letters of all names and texts over bytes of the pickle: what is remembered once may be named often.
constexpr std::size_t kMostLetters = 64;

/// Where storages lie: their elements by key.
class Storages {
 public:
  virtual ~Storages() = default;
  /// Fills `elements` with the storage of that key.
  virtual void read(const std::string& key, const Tensor& elements) = 0;
};

/// Turns a pickled value into tensors and values by name.
class Collector {
 public:
  Collector(Storages& storages, const detail::Pickle& pickle, const std::string& name)
      : storages_(storages), letters_left_(kMostLetters * pickle.size()), name_(name) {}

  Pth collect(const PickleValue& value) {
    COPPICE_CHECK(value.kind == Kind::Dict || value.kind == Kind::Sequence || value.kind == Kind::Tensor, "[pth] ",
                  name_, ": expects a dictionary, a list or a tensor; got a single value");
    visit("", value, 0);
    return std::move(result_);
  }

 private:
  Storages& storages_;
  std::size_t letters_left_;
  const std::string& name_;
  std::map<std::string, Tensor> loaded_;
  Pth result_;

  static std::string join(const std::string& prefix, const std::string& key) {
    return prefix.empty() ? key : prefix + '.' + key;
  }

  void spend(std::size_t letters) {
    COPPICE_CHECK(letters <= letters_left_, "[pth] ", name_, ": expects names that take at most ", kMostLetters,
                  " times the pickle; got more");
    letters_left_ -= letters;
  }

  std::string key_of(const PickleValue& key) const {
    COPPICE_CHECK(key.kind == Kind::Text || key.kind == Kind::Int, "[pth] ", name_,
                  ": expects text or integers as keys; got another value");
    return key.kind == Kind::Text ? key.text : std::to_string(key.integer);
  }

  void visit(const std::string& path, const PickleValue& value, int depth) {
    COPPICE_CHECK(depth <= kDeepest, "[pth] ", name_, ": expects at most ", kDeepest,
                  " dictionaries in one another, and none in itself");
    spend(path.size() + value.text.size() + 1);
    switch (value.kind) {
      case Kind::Dict:
        for (const auto& [key, element] : value.entries) visit(join(path, key_of(*key)), *element, depth + 1);
        break;
      case Kind::Sequence:
        for (std::size_t i = 0; i < value.items.size(); ++i) {
          visit(join(path, std::to_string(i)), *value.items[i], depth + 1);
        }
        break;
      case Kind::Tensor:
        COPPICE_CHECK(result_.tensors.emplace(path, tensor_of(value)).second, "[pth] ", name_, ": repeats '", path,
                      "'");
        break;
      default:
        if (const std::optional<std::string> text = text_of(value)) result_.values.insert_or_assign(path, *text);
    }
  }

  static std::optional<std::string> text_of(const PickleValue& value) {
    switch (value.kind) {
      case Kind::None: return "none";
      case Kind::Bool: return value.integer != 0 ? "true" : "false";
      case Kind::Int: return std::to_string(value.integer);
      case Kind::Float: {
        char text[32];
        const auto [end, error] = std::to_chars(text, text + sizeof text, value.number);
        return std::string(text, end);
      }
      case Kind::Text: return value.text;
      default: return {};
    }
  }

  Tensor tensor_of(const PickleValue& value) {
    const PickleValue& storage = *value.items.front();
    auto found = loaded_.find(storage.text);
    if (found == loaded_.end()) {
      const Tensor elements = Tensor::empty({storage.integer}, {.dtype = storage.dtype});
      storages_.read(storage.text, elements);
      if (storage.dtype == kBool) {
        const auto* byte = static_cast<const unsigned char*>(elements.raw_data());
        COPPICE_CHECK(std::all_of(byte, byte + storage.integer, [](unsigned char b) { return b <= 1; }), "[pth] ",
                      name_, ": expects 0 or 1 in every bool; got another byte");
      }
      found = loaded_.emplace(storage.text, elements).first;
    }
    const Tensor& elements = found->second;
    COPPICE_CHECK(elements.dtype() == storage.dtype && elements.numel() == storage.integer, "[pth] ", name_,
                  ": storage ", storage.text, " expects one dtype and size; got ", elements.dtype(), " and ",
                  storage.dtype);
    return detail::make_view(elements.impl()->storage, value.shape, value.strides, value.integer, storage.dtype);
  }
};

class ZipStorages final : public Storages {
 public:
  ZipStorages(detail::StoredZip& zip, std::string root, const std::string& name)
      : zip_(zip), root_(std::move(root)), name_(name) {}

  void read(const std::string& key, const Tensor& elements) override {
    const std::string entry = root_ + "data/" + key;
    const std::uint64_t bytes = zip_.at(entry).bytes;
    COPPICE_CHECK(bytes == static_cast<std::uint64_t>(elements.nbytes()), "[pth] ", name_, ": '", entry, "' expects ",
                  elements.nbytes(), " bytes; got ", bytes);
    zip_.read(entry, elements.raw_data());
  }

 private:
  detail::StoredZip& zip_;
  std::string root_;
  const std::string& name_;
};

Pth load_zip(const std::filesystem::path& file, const std::string& name) {
  detail::StoredZip zip(file);
  constexpr std::string_view kPickle = "data.pkl";
  std::string root;
  bool found = false;
  for (const auto& [entry, _] : zip.entries()) {
    if (!entry.ends_with(kPickle)) continue;
    COPPICE_CHECK(!found, "[pth] ", name, ": expects one data.pkl; got more");
    root = entry.substr(0, entry.size() - kPickle.size());
    found = true;
  }
  COPPICE_CHECK(found, "[pth] ", name, ": has no data.pkl; is it an archive of torch.save?");
  COPPICE_CHECK(!zip.entries().contains(root + "constants.pkl"), "[pth] ", name,
                ": expects a state dict; got a TorchScript program; save its state_dict()");
  const auto text_of = [&](const std::string& entry) {
    std::string text(zip.at(entry).bytes, '\0');
    zip.read(entry, text.data());
    return text;
  };
  if (zip.entries().contains(root + "byteorder")) {
    const std::string order = text_of(root + "byteorder");
    COPPICE_CHECK(order == "little", "[pth] ", name, ": byteorder must be little; got another");
  }
  const std::string bytes = text_of(root + std::string(kPickle));
  const detail::Pickle pickle(bytes, name);
  ZipStorages storages(zip, root, name);
  return Collector(storages, pickle, name).collect(pickle.value());
}

/// After the pickles come the storages, each a count of elements and the elements, in the order of a list of keys. Only
/// the dictionary says their dtypes.
class LegacyStorages final : public Storages {
 public:
  LegacyStorages(const PickleValue& keys, std::string_view bytes, const std::string& name)
      : keys_(keys), bytes_(bytes), name_(name) {}

  /// Learns the size of every storage below `value`.
  void learn(const PickleValue& value, std::size_t& left, int depth = 0) {
    COPPICE_CHECK(depth <= kDeepest && left > 0, "[pth] ", name_, ": expects at most ", kDeepest,
                  " dictionaries in one another, and none in itself");
    --left;
    if (value.kind == Kind::Storage) element_bytes_.emplace(value.text, size_of(value.dtype));
    for (const PickleValue* item : value.items) learn(*item, left, depth + 1);
    for (const auto& [_, element] : value.entries) learn(*element, left, depth + 1);
  }

  void locate() {
    COPPICE_CHECK(keys_.kind == Kind::Sequence, "[pth] ", name_, ": expects a list of storages");
    for (const PickleValue* key : keys_.items) {
      const auto size = element_bytes_.find(key->text);
      COPPICE_CHECK(key->kind == Kind::Text && size != element_bytes_.end(), "[pth] ", name_,
                    ": expects only storages of its tensors");
      std::uint64_t count = 0;
      COPPICE_CHECK(bytes_.size() >= sizeof count, "[pth] ", name_, ": storage ", key->text, " is cut off");
      std::memcpy(&count, bytes_.data(), sizeof count);
      bytes_.remove_prefix(sizeof count);
      COPPICE_CHECK(count <= bytes_.size() / size->second, "[pth] ", name_, ": storage ", key->text, " expects ", count,
                    " elements; got ", bytes_.size(), " bytes");
      COPPICE_CHECK(found_.emplace(key->text, bytes_.substr(0, count * size->second)).second, "[pth] ", name_,
                    ": repeats storage ", key->text);
      bytes_.remove_prefix(count * size->second);
    }
  }

  void read(const std::string& key, const Tensor& elements) override {
    const auto found = found_.find(key);
    COPPICE_CHECK(found != found_.end() && found->second.size() == static_cast<std::size_t>(elements.nbytes()),
                  "[pth] ", name_, ": storage ", key, " expects ", elements.nbytes(), " bytes; got another number");
    if (elements.nbytes() > 0) std::memcpy(elements.raw_data(), found->second.data(), found->second.size());
  }

 private:
  const PickleValue& keys_;
  std::string_view bytes_;
  const std::string& name_;
  std::map<std::string, std::size_t> element_bytes_;
  std::map<std::string, std::string_view> found_;
};

Pth load_legacy(const std::string& file, const std::string& name) {
  std::string_view rest = std::string_view(file).substr(kLegacyMagic.size());
  const auto next = [&] {
    detail::Pickle pickle(rest, name);
    rest.remove_prefix(pickle.size());
    return pickle;
  };
  const detail::Pickle protocol = next();
  const detail::Pickle system = next();
  for (const auto& [key, value] : system.value().entries) {
    COPPICE_CHECK(key->text != "little_endian" || value->integer == 1, "[pth] ", name,
                  ": must be written on a little-endian machine");
  }
  const detail::Pickle content = next();
  const detail::Pickle keys = next();
  LegacyStorages storages(keys.value(), rest, name);
  std::size_t left = kMostLetters * content.size();
  storages.learn(content.value(), left);
  storages.locate();
  return Collector(storages, content, name).collect(content.value());
}

}  // namespace

Pth load_pth(const std::filesystem::path& file) {
  const std::string name = file.string();
  std::error_code failure;
  COPPICE_CHECK(std::filesystem::is_regular_file(file, failure), "[pth] ", name, ": must be a file");
  std::ifstream in(file, std::ios::binary);
  COPPICE_CHECK(in, "[pth] ", name, ": cannot be opened");
  std::string start(kLegacyMagic.size(), '\0');
  in.read(start.data(), static_cast<std::streamsize>(start.size()));
  start.resize(static_cast<std::size_t>(in.gcount()));
  if (start.starts_with("PK")) return load_zip(file, name);
  COPPICE_CHECK(start == kLegacyMagic, "[pth] ", name,
                ": must start as a zip archive or with the number of torch.save; got other bytes");
  in.clear();
  in.seekg(0);
  std::ostringstream whole;
  whole << in.rdbuf();
  return load_legacy(std::move(whole).str(), name);
}

bool is_pth(const std::filesystem::path& file) {
  std::ifstream in(file, std::ios::binary);
  std::string first(2, '\0');
  in.read(first.data(), 2);
  return in && (first == "PK" || first == kLegacyMagic.substr(0, 2));
}

void save_pth(const std::filesystem::path& file, const std::map<std::string, Tensor>& tensors) {
  const std::string name = file.string();
  std::vector<detail::PickledTensor> headers;
  for (const auto& [key, tensor] : tensors) {
    COPPICE_CHECK(tensor.defined(), "[pth] ", name, ": '", key, "' must be defined");
    headers.push_back({key, tensor.dtype(), tensor.shape()});
  }
  detail::StoredZipWriter out(file);
  const std::string pickle = detail::pickle_tensors(headers);
  out.add("archive/data.pkl", pickle.data(), pickle.size());
  out.add("archive/byteorder", "little", 6);
  std::size_t index = 0;
  for (const auto& [key, tensor] : tensors) {
    const Tensor elements = tensor.is_masked() ? tensor.to_dense() : detail::to_host(tensor, tensor.dtype());
    out.add("archive/data/" + std::to_string(index++), elements.raw_data(),
            static_cast<std::size_t>(elements.nbytes()));
  }
  out.add("archive/version", "3\n", 2);
  out.commit();
}

}  // namespace coppice
