#pragma once

#include <string>

#include <CLI/CLI.hpp>

namespace derin {

// A script for bash that completes command lines of `app`, whose name is the program's: commands,
// flags, the words that a flag takes where its type lists them (`lstm|gru`), and files and folders
// where its type is FILE or DIR. The script needs bash alone.
std::string BashCompletion(const CLI::App& app);

}  // namespace derin
