#pragma once

#include <string>
#include <string_view>

#include <CLI/CLI.hpp>

namespace derin::cli {

// `text`, which begins in column `indent`, with line breaks in place of spaces so that no line
// passes column `width`; further lines are indented too. A longer word has a line of its own.
std::string Wrapped(std::string_view text, size_t width, size_t indent);

// CLI11's help in at most 100 columns, of what ShownOptions lists.
class HelpFormat : public CLI::Formatter {
 public:
  HelpFormat();

  std::string make_help(const CLI::App* app, std::string name,
                        CLI::AppFormatMode mode) const override;
  std::string make_subcommand(const CLI::App* command) const override;
  std::string make_option(const CLI::Option* option, bool is_positional) const override;
};

}  // namespace derin::cli
