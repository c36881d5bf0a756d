#pragma once

#include <string>
#include <string_view>

namespace derin::cli {

// "timemachine" -> "corpora/timemachine"; a name that already begins with the collection stays.
std::string ResourceName(std::string_view collection, std::string_view text);

// The other way: "corpora/timemachine" -> "timemachine".
std::string ResourceId(std::string_view collection, std::string_view text);

}  // namespace derin::cli
