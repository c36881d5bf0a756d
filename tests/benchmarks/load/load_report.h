#pragma once

#include <string>

#include "tests/benchmarks/load/load_run.h"
#include "tests/benchmarks/load/load_settings.h"

namespace derin {

// What was asked for, in a sentence.
std::string SettingsText(const LoadSettings& settings);

// Settings and result, to be read by people.
std::string LoadTable(const LoadSettings& settings, const LoadResult& result);

// The same as one JSON object on one line; times are seconds.
std::string LoadJson(const LoadSettings& settings, const LoadResult& result);

}  // namespace derin
