#include "client/cli/field_flag.h"

#include <string>

#include "absl/strings/str_cat.h"
#include "client/cli/command_context.h"
#include "derin/client/error.h"

namespace derin::cli {

absl::Status WithFlag(const absl::Status& status, absl::Span<const FieldFlag> flags) {
  const std::string named = client::ErrorField(status);
  // Of a list, `stop_strings[0]`, one flag sets each element and all of it.
  const std::string_view field = std::string_view(named).substr(0, named.find('['));
  for (const auto& [known, flag] : flags) {
    if (field != known) continue;
    const char* kind = flag.starts_with('-') ? "flag" : "argument";
    return WithSuffix(status, absl::StrCat(" (", kind, " ", std::string(flag), ")"));
  }
  return status;
}

}  // namespace derin::cli
