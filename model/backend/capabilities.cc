#include "model/backend/capabilities.h"

#include <algorithm>

#include "absl/strings/str_format.h"

namespace derin {

absl::Status CheckPrecision(const Capabilities& capabilities, Precision precision) {
  const std::vector<Precision>& known = capabilities.precisions;
  if (std::find(known.begin(), known.end(), precision) != known.end()) return absl::OkStatus();
  std::string names;
  for (const Precision one : known) {
    names += (names.empty() ? "" : ", ") + std::string(PrecisionName(one));
  }
  return absl::InvalidArgumentError(absl::StrFormat(
      "got precision %s, which backend %s does not have on this machine (%s); it has %s",
      std::string(PrecisionName(precision)), capabilities.backend, capabilities.device, names));
}

}  // namespace derin
