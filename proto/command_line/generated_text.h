#pragma once

#include <string>

#include <CLI/CLI.hpp>

namespace derin {

// Adds to a program `--completion bash`, which writes BashCompletion of `app` and ends it, and
// `--man-page`, which does so with its ManPage and is not in the help: packages are made with it.
// `app` outlives the parsing.
void AddGeneratedText(CLI::App& app, const std::string& version, const std::string& see_also);

}  // namespace derin
