#pragma once

#include <string>
#include <string_view>

namespace derin::server {

// `text`, which may come from anybody, as HTML shows it: also within quotes, and never as markup.
std::string HtmlText(std::string_view text);

}  // namespace derin::server
