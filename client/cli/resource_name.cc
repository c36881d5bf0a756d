#include "client/cli/resource_name.h"

namespace derin::cli {

std::string ResourceName(std::string_view collection, std::string_view text) {
  return std::string(collection) + "/" + ResourceId(collection, text);
}

std::string ResourceId(std::string_view collection, std::string_view text) {
  if (text.size() > collection.size() && text.starts_with(collection) &&
      text[collection.size()] == '/') {
    text.remove_prefix(collection.size() + 1);
  }
  return std::string(text);
}

}  // namespace derin::cli
