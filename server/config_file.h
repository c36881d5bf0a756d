#pragma once

#include <iosfwd>
#include <string>
#include <vector>

#include <CLI/CLI.hpp>

namespace derin::server {

// The file that --config names, in TOML: `key = value` a line. Values are strings, whole numbers,
// true and false; tables and arrays are refused: no option is one.
class ConfigFile : public CLI::Config {
 public:
  // Throws CLI::ConfigError, which names the line, the column and what is wrong there.
  std::vector<CLI::ConfigItem> from_config(std::istream& input) const override;

  // Every option of `app` that may stand in a file, with the value that holds; from_config reads it
  // back to the same. With `describe`, each below what its help says.
  std::string to_config(const CLI::App* app, bool defaults, bool describe,
                        std::string prefix) const override;
};

}  // namespace derin::server
