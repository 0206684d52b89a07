#include "daemon/cli/argument_reader.hpp"

#include <algorithm>

#include "daemon/config/suggestion.hpp"
#include "sync/base/utf8.hpp"

namespace hedgerow::cli {

Expected<std::optional<Argument>> ArgumentReader::next() {
  if (at_ == arguments_.size()) return std::nullopt;
  const std::string_view argument = arguments_[at_++];
  if (!only_words_ && argument == "--") {
    only_words_ = true;
    return next();
  }
  // No option begins like a negative number.
  const bool is_number = argument.size() > 1 && argument[1] >= '0' && argument[1] <= '9';
  if (!only_words_ && argument.size() > 1 && argument.starts_with('-') && !is_number) return option(argument);
  return Argument{.option = {}, .value = argument};
}

Expected<std::optional<Argument>> ArgumentReader::option(std::string_view argument) {
  const std::size_t equals = argument.find('=');
  const std::string_view name = argument.substr(0, equals);
  const auto known =
      std::find_if(options_.begin(), options_.end(), [&](const Option& option) { return option.name == name; });
  if (known == options_.end()) {
    std::vector<std::string_view> names;
    for (const Option& option : options_) names.push_back(option.name);
    const std::string_view nearest = config::nearest_word(name, names);
    return fail(Category::kInvalidInput,
                "unknown option " + quote_text(name) +
                    (nearest.empty() ? std::string{} : "; did you mean " + std::string{nearest} + "?"));
  }
  const auto given = given_.begin() + (known - options_.begin());
  const std::string option_name{known->name};
  if (*given && !known->repeats) return fail(Category::kInvalidInput, option_name + " stands twice: give it once");
  *given = true;
  if (known->value.empty()) {
    if (equals == std::string_view::npos) return Argument{.option = known->name, .value = {}};
    return fail(Category::kInvalidInput, option_name + " takes no value");
  }
  const bool has_next = at_ < arguments_.size() && !arguments_[at_].starts_with("--");
  std::string_view value;
  if (equals != std::string_view::npos) {
    value = argument.substr(equals + 1);
  } else if (has_next) {
    value = arguments_[at_++];
  }
  if (value.empty()) {
    return fail(Category::kInvalidInput,
                option_name + " needs a value: " + option_name + " " + std::string{known->value});
  }
  return Argument{.option = known->name, .value = value};
}

std::vector<std::string_view> arguments_of(int argc, const char* const* argv) {
  std::vector<std::string_view> arguments;
  for (int at = 1; at < argc; ++at) arguments.emplace_back(argv[at]);
  return arguments;
}

}  // namespace hedgerow::cli
