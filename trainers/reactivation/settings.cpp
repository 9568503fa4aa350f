#include <coppice/trainers/reactivation/settings.h>

#include <algorithm>
#include <memory>
#include <utility>

#include <coppice/sparsity/policy_fields.h>
#include <coppice/trainers/environment.h>
#include <coppice/trainers/recipe/document.h>
#include <coppice/trainers/recipe/fields.h>

namespace coppice::train::reactivation {
namespace {

using sparsity::detail::Bounds;
using sparsity::detail::Field;
using sparsity::detail::field;
using sparsity::detail::FieldKind;
using sparsity::detail::Fields;
using sparsity::detail::kShare;
using sparsity::detail::word_field;
using sparsity::detail::word_index;
using train::detail::Document;
using train::detail::Setting;

constexpr std::size_t kMostName = 120;  // a file of a run is named after its row
constexpr Bounds kCount{.least = 0.0};
constexpr Bounds kPositive{.least = 1.0};

/// Brings everything that the options say of the training into `options.training`.
void gather_training(Options& options) {
  if (!options.training) options.training = training(options.scale);
  Training& own = *options.training;
  if (options.seeds > 0) own.seeds = options.seeds;
  if (!options.sparsities.empty()) own.sparsities = options.sparsities;
  if (options.steps > 0) own.steps = options.steps;
  options.seeds = 0;
  options.sparsities.clear();
  options.steps = 0;
}

Field scale_field(Options& options) {
  Field made = word_field("scale", {"quick", "small"}, "what the other keys start from");
  made.get = [&options] { return options.scale; };
  made.assign = [&options, words = made.words](std::string_view text) {
    options.scale = words[word_index(words, text)];
    options.training = training(options.scale);
    options.epochs = 0;
  };
  return made;
}

Field methods_field(Options& options) {
  Field made = field("methods", options.methods, "rows of the table's own; none: all");
  std::vector<std::string> known;
  for (const Method& row : methods()) known.push_back(row.name);
  made.assign = [known, take = made.assign](std::string_view text) {
    std::vector<std::string> names;
    field("", names, "").assign(text);
    for (const std::string& name : names) word_index(known, name);
    take(text);
  };
  made.expects = "a list of rows";
  return made;
}

Field sparsities_field(std::vector<double>& sparsities) {
  Field made = field("sparsities", sparsities, "shares of zeros that every sparse row is trained at");
  made.expects = "a list of numbers, each between 0 and 1";
  made.assign = [&sparsities, expects = made.expects](std::string_view text) {
    std::vector<double> read;
    field("", read, "").assign(text);
    const bool inside = std::all_of(read.begin(), read.end(), [](double share) { return share > 0.0 && share < 1.0; });
    if (!inside || read.empty())
      coppice::detail::fail("expects ", expects, "; got '", sparsity::detail::shown(text), '\'');
    sparsities = std::move(read);
  };
  return made;
}

Field path_field(Options& options) {
  Field made{.key = "data.path", .help = "the directory of MNIST's four idx files", .expects = "a text"};
  made.get = [&options] { return options.data.string(); };
  made.assign = [&options](std::string_view text) { options.data = text; };
  return made;
}

/// Steps and epochs exclude each other.
void add_length_fields(Options& options, Fields& fields) {
  std::int64_t& steps = options.training->steps;
  Field by_steps = field("training.steps", steps, "length of a training in steps", kPositive);
  by_steps.assign = [&options, take = by_steps.assign](std::string_view text) {
    take(text);
    options.epochs = 0;
  };
  fields.push_back(std::move(by_steps));
  fields.push_back(field("training.epochs", options.epochs, "length in epochs; above 0: instead of steps", kCount));
}

Fields table_fields(Options& options) {
  gather_training(options);
  Training& own = *options.training;
  Fields fields = {
      scale_field(options),
      field("seeds", own.seeds, "trainings of every row and sparsity", kPositive),
      field("first_seed", options.first_seed, "the first of them"),
      sparsities_field(own.sparsities),
      methods_field(options),
      word_field("data.set", own.dataset, {"digits", "mnist"}, "what to train on"),
      path_field(options),
      field("data.train_images", own.train_images, "how many digits are made, validation part included", kCount),
      field("data.test_images", own.test_images, "how many digits are made to test on", kCount),
      field("data.validation_images", own.validation_images, "held out of the training part", kCount),
      field("model.widths", own.widths, "of the multilayer perceptron, input and output included", kPositive),
  };
  add_length_fields(options, fields);
  fields.push_back(field("training.batch_size", own.batch_size, "images a step", kPositive));
  fields.push_back(field("training.learning_rate", own.learning_rate, "at its highest", kCount));
  fields.push_back(field("training.momentum", own.momentum, "of sgd", kShare));
  fields.push_back(field("training.weight_decay", own.weight_decay, "on weights, not on biases", kCount));
  return fields;
}

/// The fields of a policy under a prefix: `taken` gets what is set. The density is there to say why it cannot be.
template <class Taken>
void add_policy_fields(const std::string& prefix, const Taken& taken, Fields& fields) {
  const auto scratch = std::make_shared<sparsity::MaskPolicy>();
  for (Field& part : sparsity::detail::fields_of(*scratch)) {
    if (part.key == "name") continue;
    const std::string key = part.key;
    part.key = prefix;
    part.key += '.';
    part.key += key;
    part.assign = [scratch, key, taken, check = part.assign](std::string_view text) {
      if (key == "density") coppice::detail::fail("follows from the sparsity of a row; set sparsities");
      check(text);
      taken(key, text);
    };
    fields.push_back(std::move(part));
  }
}

Fields all_fields(Options& options) {
  Fields fields = table_fields(options);
  const auto add = [&](const std::string& prefix) {
    add_policy_fields(
        prefix,
        [&options, prefix](const std::string& key, std::string_view text) {
          options.set.emplace_back(prefix + '.' + key, text);
        },
        fields);
  };
  add("policy");
  for (const Method& row : methods_with(options.added)) {
    if (row.has_policy()) add(row.name);
  }
  return fields;
}

Fields method_fields(Method& method) {
  Fields fields = {field("name", method.name, "of the row, letters, digits, '_' and '-'")};
  std::vector<std::string> presets = sparsity::preset_names();
  presets.insert(presets.begin(), "custom");
  fields.push_back(word_field("preset", method.preset, std::move(presets), "where the policy starts from"));
  fields.push_back(field("explanation", method.explanation, "one line for the reader of the table"));
  add_policy_fields(
      "policy", [&method](const std::string& key, std::string_view text) { method.settings.emplace_back(key, text); },
      fields);
  return fields;
}

std::vector<RecipeKey> keys_of(const Fields& fields) {
  std::vector<RecipeKey> keys;
  for (const Field& field : fields) {
    keys.push_back({.key = field.key, .expects = field.expects, .value = field.get(), .help = field.help});
  }
  return keys;
}

/// A name that is a word, where it is given by hand or by a sweep with what it sets in brackets.
bool is_row_name(std::string_view name) {
  const std::string_view word = name.substr(0, name.ends_with(']') ? name.find('[') : name.npos);
  return !word.empty() && name.size() <= kMostName && std::all_of(word.begin(), word.end(), [](char letter) {
    return (letter >= 'a' && letter <= 'z') || (letter >= 'A' && letter <= 'Z') || (letter >= '0' && letter <= '9') ||
           letter == '_' || letter == '-';
  });
}

bool is_reserved(std::string_view name) {
  constexpr std::string_view kTables[] = {"policy", "data", "model", "training", "add", "sweep"};
  return std::find(std::begin(kTables), std::end(kTables), name) != std::end(kTables);
}

void check_name(const Document& document, const Setting& setting, const std::string& name) {
  if (!is_row_name(name) || is_reserved(name)) {
    document.fail(setting.value.place, "name expects a word of letters, digits, '_' and '-' that is no table's; got '",
                  sparsity::detail::shown(name), '\'');
  }
  for (const Method& row : methods()) {
    if (row.name == name) {
      document.fail(setting.value.place, "the table has a row '", name, "' already; choose another name");
    }
  }
}

[[noreturn]] void fail_whole(const Document& document, const Error& error) {
  std::string_view message = error.what();
  if (message.starts_with("[recipe] ")) message.remove_prefix(std::string_view("[recipe] ").size());
  coppice::detail::fail("[recipe] ", document.file, ": ", message);
}

std::vector<Method> methods_of(const Document& document) {
  Method base{.kind = Kind::Sparse, .preset = "custom"};
  const Fields fields = method_fields(base);
  for (const Setting& setting : document.settings) {
    if (!train::detail::is_of_sweep(setting)) train::detail::apply(document, setting, fields);
  }
  const Setting* name = document.find("name");
  COPPICE_CHECK(name, "[recipe] ", document.file, ": expects a name for the row; got none; add name = \"…\"");
  check_name(document, *name, base.name);
  Method scratch;
  Fields swept = method_fields(scratch);
  std::erase_if(swept, [](const Field& part) { return part.key == "name" || part.key == "explanation"; });
  const std::vector<SweepAxis> sweep = train::detail::read_sweep(document, swept);
  std::vector<Method> rows;
  try {
    for (const train::detail::Variant& variant : train::detail::variants(sweep)) {
      Method row = base;
      row.name += variant.label;
      const Fields row_fields = method_fields(row);
      for (const auto& [key, value] : variant.settings) sparsity::detail::find(row_fields, key)->set(value);
      COPPICE_CHECK(row.name.size() <= kMostName, "expects names of rows of at most ", kMostName,
                    " bytes, with what a sweep sets; got ", row.name);
      policy(row, 0.5, 1000).validate();
      rows.push_back(std::move(row));
    }
  } catch (const Error& error) {
    fail_whole(document, error);
  }
  return rows;
}

/// Takes the settings of every `[[add]]` out of the document, each as a document of its own.
std::vector<Document> take_added(Document& document) {
  std::vector<Document> added;
  std::vector<Setting> rest;
  std::string open;  // the table of the last of them: the settings of one lie together
  for (Setting& setting : document.settings) {
    const std::size_t end = setting.key.find("].") + 2;
    if (!setting.key.starts_with("add[") || end < 2) {
      rest.push_back(std::move(setting));
      continue;
    }
    if (setting.key.substr(0, end) != open) added.push_back({.file = document.file});
    open = setting.key.substr(0, end);
    setting.key.erase(0, end);
    added.back().settings.push_back(std::move(setting));
  }
  document.settings = std::move(rest);
  return added;
}

}  // namespace

std::vector<RecipeKey> recipe_keys(const Options& options) {
  Options own = options;
  Fields fields = table_fields(own);
  add_policy_fields(
      "policy", [](const std::string&, std::string_view) {}, fields);
  return keys_of(fields);
}

std::vector<RecipeKey> method_keys() {
  Method defaults{.preset = "custom"};
  return keys_of(method_fields(defaults));
}

void set(Options& options, std::string_view key, std::string_view value) {
  const Fields fields = all_fields(options);
  const Field* field = sparsity::detail::find(fields, key);
  COPPICE_CHECK(field, "[recipe] ", sparsity::detail::unknown_key(fields, key));
  try {
    field->set(value);
  } catch (const Error& error) {
    coppice::detail::fail("[recipe] ", error.what());
  }
}

void read_table(const std::filesystem::path& file, Options& options) {
  Document document = train::detail::parse_document(train::detail::read_text(file), file.string());
  for (const Document& added : take_added(document)) {
    for (Method& row : methods_of(added)) options.added.push_back(std::move(row));
  }
  try {
    methods_with(options.added);
  } catch (const Error& error) {
    fail_whole(document, error);
  }
  const Fields fields = all_fields(options);
  const auto is_scale = [](const Setting& setting) { return setting.key == "scale"; };
  std::stable_partition(document.settings.begin(), document.settings.end(), is_scale);
  for (const Setting& setting : document.settings) train::detail::apply(document, setting, fields);
  const Setting* steps = document.find("training.steps");
  const Setting* epochs = document.find("training.epochs");
  if (steps && epochs && epochs->value.text != "0") {
    document.fail(std::max(steps->place, epochs->place), "training expects steps or epochs, not both");
  }
}

std::vector<Method> read_methods(const std::filesystem::path& file) {
  return methods_of(train::detail::parse_document(train::detail::read_text(file), file.string()));
}

sparsity::MaskPolicy row_policy(const Method& row, const Options& options, double density, std::int64_t steps) {
  sparsity::MaskPolicy made = policy(row, density, steps);
  for (const auto& [key, value] : options.set) {
    for (const std::string_view whose : {std::string_view("policy"), std::string_view(row.name)}) {
      if (key.size() > whose.size() && key.starts_with(whose) && key[whose.size()] == '.') {
        made.set(key.substr(whose.size() + 1), value);
      }
    }
  }
  made.validate();
  return made;
}

void check_settings(const Options& options) {
  methods_with(options.added);
  Options scratch = options;
  scratch.set.clear();
  for (const auto& [key, value] : options.set) set(scratch, key, value);
  COPPICE_CHECK(scratch.set == options.set,
                "[reactivation] expects policy.FIELD or METHOD.FIELD among the settings; got another key");
}

std::string to_toml(const Options& options, const Training& training, const std::vector<Method>& rows) {
  Options resolved = options;
  resolved.training = training;
  resolved.seeds = 0;
  resolved.sparsities.clear();
  resolved.steps = 0;
  resolved.epochs = 0;
  resolved.methods.clear();
  const auto is_own = [](const Method& row) {
    return std::any_of(methods().begin(), methods().end(), [&](const Method& own) { return own.name == row.name; });
  };
  for (const Method& row : rows) {
    if (is_own(row)) resolved.methods.push_back(row.name);
  }
  const Environment environment = current_environment();
  std::string text = "# coppice " + environment.version;
  if (!environment.commit.empty()) text += ", commit " + environment.commit + (environment.dirty ? "+" : "");
  text += '\n';
  text += train::detail::toml_of(table_fields(resolved));
  for (const Method& row : rows) {
    if (!row.has_policy()) continue;
    sparsity::MaskPolicy resolved_policy = row_policy(row, options, 0.5, training.steps);
    Fields fields;
    for (Field& part : sparsity::detail::fields_of(resolved_policy)) {
      if (part.key == "name" || part.key == "density") continue;
      part.key.insert(0, is_own(row) ? row.name + '.' : "add.policy.");
      fields.push_back(std::move(part));
    }
    if (!is_own(row)) {
      text += "\n[[add]]\nname = " + train::detail::toml_literal(FieldKind::Text, row.name);
      text += "\npreset = " + train::detail::toml_literal(FieldKind::Text, row.preset);
      text += "\nexplanation = " + train::detail::toml_literal(FieldKind::Text, row.explanation) + '\n';
      for (const Field& part : fields) {
        text += part.key.substr(4) + " = " + train::detail::toml_literal(part.kind, part.get()) + '\n';
      }
    } else {
      text += train::detail::toml_of(fields);
    }
  }
  return text;
}

}  // namespace coppice::train::reactivation
