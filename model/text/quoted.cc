#include "model/text/quoted.h"

#include <cstdint>

#include "absl/strings/escaping.h"
#include "absl/strings/str_cat.h"

namespace derin {

std::string Quoted(std::string_view value) {
  constexpr size_t kLongest = 200;
  size_t length = value.size();
  if (length > kLongest) {
    length = kLongest;
    while (length > kLongest - 3 && (static_cast<uint8_t>(value[length]) & 0xC0) == 0x80) --length;
  }
  return absl::StrCat("\"", absl::Utf8SafeCHexEscape(absl::string_view(value.data(), length)),
                      length < value.size() ? "\"..." : "\"");
}

}  // namespace derin
