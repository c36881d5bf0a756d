#pragma once

#include <cstdint>
#include <string>
#include <string_view>

#include "absl/status/statusor.h"

namespace derin::server {

// What part of a list a request asks for.
struct Page {
  int size = 0;
  // The store's key to go on behind; empty for the first page.
  std::string after;
};

// Of a List request's `page_size` (0 to 1,000; 0 means 100) and `page_token` (empty, or what
// PageToken gave). INVALID_ARGUMENT names the field at fault.
absl::StatusOr<Page> ParsePage(int32_t page_size, std::string_view page_token);

// A store's key, Listing::next, as clients see it: URL-safe, opaque, with a checksum. Empty stays
// empty.
std::string PageToken(std::string_view key);

}  // namespace derin::server
