#include "client/cli/help_format.h"

#include <algorithm>
#include <iterator>
#include <utility>
#include <vector>

#include "proto/command_line/command_list.h"

namespace derin::cli {
namespace {

constexpr size_t kWidth = 100;
// Where descriptions begin.
constexpr size_t kColumn = 30;

// "  NAME    description", the description on the next line when the name is too long.
std::string Entry(const std::string& name, const std::string& description) {
  std::string entry = "  " + name;
  if (entry.size() + 2 > kColumn) entry += "\n";
  const size_t used = entry.back() == '\n' ? 0 : entry.size();
  entry.append(kColumn - used, ' ');
  return entry + Wrapped(description, kWidth, kColumn) + "\n";
}

}  // namespace

std::string Wrapped(std::string_view text, size_t width, size_t indent) {
  std::string wrapped;
  bool at_start = true;
  size_t column = indent;
  while (!text.empty()) {
    const std::string_view word = text.substr(0, text.find(' '));
    if (!at_start && column + 1 + word.size() > width) {
      wrapped += "\n" + std::string(indent, ' ');
      column = indent;
    } else if (!at_start) {
      wrapped += ' ';
      ++column;
    }
    wrapped += word;
    column += word.size();
    at_start = false;
    text.remove_prefix(std::min(text.size(), word.size() + 1));
  }
  return wrapped;
}

HelpFormat::HelpFormat() {
  label("SUBCOMMAND", "COMMAND");
  label("Positionals", "Arguments");
  label("OPTIONS", "FLAGS");
}

std::string HelpFormat::make_help(const CLI::App* app, std::string name,
                                  CLI::AppFormatMode mode) const {
  std::string help = Wrapped(app->get_description(), kWidth, 0) + "\n\n";
  help += make_usage(app, std::move(name)) + make_positionals(app);
  const std::vector<const CLI::Option*> shown = ShownOptions(*app);
  for (const std::string& group : app->get_groups()) {
    std::vector<const CLI::Option*> options;
    std::copy_if(shown.begin(), shown.end(), std::back_inserter(options),
                 [&group](const CLI::Option* option) {
                   return option->get_group() == group && option->nonpositional();
                 });
    if (!options.empty()) help += make_group(group, /*is_positional=*/false, options);
  }
  return help + make_subcommands(app, mode) + "\n" + make_footer(app);
}

std::string HelpFormat::make_subcommand(const CLI::App* command) const {
  return Entry(command->get_name(), command->get_description());
}

std::string HelpFormat::make_option(const CLI::Option* option, bool is_positional) const {
  std::string name = make_option_name(option, is_positional);
  if (!is_positional && option->get_type_size() != 0) name += " " + option->get_type_name();
  const std::string required = !is_positional && option->get_required() ? " [required]" : "";
  return Entry(name, make_option_desc(option) + required);
}

}  // namespace derin::cli
