#pragma once

#include <string>
#include <string_view>

namespace derin {

// `value`, which may be anything, as an error message shows it: in quotes, cut at 200 bytes at a
// character's edge, what is not printable escaped.
std::string Quoted(std::string_view value);

}  // namespace derin
