#pragma once

#include <string>

#include <CLI/CLI.hpp>

namespace derin {

// The manual page of `app`, whose name is the program's, in the language of man(7): what the help
// of `app` and of every command below it says. Options that every command has, those of the group
// `Every command`, are there once. `version` is the program's, `see_also` another page's name.
std::string ManPage(const CLI::App& app, const std::string& version, const std::string& see_also);

}  // namespace derin
