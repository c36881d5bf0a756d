#include "server/jobs/spec_check.h"

#include <cmath>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_format.h"
#include "server/status/error.h"

namespace derin::server {

std::string SpecField(absl::string_view name) { return absl::StrCat("training_job.spec.", name); }

absl::Status CheckInteger(absl::string_view name, int64_t got, int64_t least, int64_t most) {
  if (got >= least && got <= most) return absl::OkStatus();
  return InvalidField(SpecField(name),
                      absl::StrFormat("got %d, wanted %d to %d", got, least, most));
}

absl::Status CheckReal(absl::string_view name, double got, bool in_range,
                       absl::string_view wanted) {
  if (std::isfinite(got) && in_range) return absl::OkStatus();
  return InvalidField(SpecField(name), absl::StrFormat("got %.9g, wanted %s", got, wanted));
}

absl::Status CheckInterval(absl::string_view name, absl::Duration got) {
  if (got >= absl::Seconds(1) && got <= absl::Hours(24)) return absl::OkStatus();
  return InvalidField(SpecField(name),
                      absl::StrFormat("got %s, wanted 1s to 24h", absl::FormatDuration(got)));
}

absl::Status UnknownValue(absl::string_view name, int got, absl::string_view wanted) {
  return InvalidField(SpecField(name), absl::StrFormat("got value %d, wanted %s", got, wanted));
}

}  // namespace derin::server
