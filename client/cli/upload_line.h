#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

#include "absl/time/time.h"
#include "client/cli/console.h"

namespace derin::cli {

// "12.0 MiB of 96.0 MiB  [==>              ] 12 %  24.1 MiB/s" in at most `width` columns; without
// what needs the `total` where that is not known.
std::string UploadText(int64_t bytes, std::optional<int64_t> total, absl::Duration time, int width);

// How far an upload is: on a terminal one live line on standard error, else nothing but notes.
class UploadLine {
 public:
  UploadLine(Console& console, std::optional<int64_t> total);
  ~UploadLine() { Erase(); }
  UploadLine(const UploadLine&) = delete;
  UploadLine& operator=(const UploadLine&) = delete;

  void Update(int64_t bytes);
  // A line of its own, which stays.
  void Note(std::string_view line);
  void Erase();

 private:
  Console& console_;
  const std::optional<int64_t> total_;
  const absl::Time begin_;
  absl::Time last_draw_ = absl::InfinitePast();
  bool live_ = false;
};

}  // namespace derin::cli
