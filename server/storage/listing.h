#pragma once

#include <cstdint>
#include <string>
#include <utility>
#include <vector>

namespace derin::server {

// A part of a list, from behind some key.
template <typename T>
struct Listing {
  std::vector<T> items;
  std::string next;  // the key to go on behind; empty when there is no more
};

// Of items read one beyond `limit`, which shows whether there is more; `key_of` an item that is not
// the last.
template <typename T, typename KeyOf>
Listing<T> MakeListing(std::vector<T> items, int limit, KeyOf key_of) {
  Listing<T> listing{std::move(items), ""};
  if (static_cast<int64_t>(listing.items.size()) <= limit) return listing;
  listing.items.resize(limit);
  listing.next = key_of(listing.items.back());
  return listing;
}

}  // namespace derin::server
