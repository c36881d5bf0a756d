#pragma once

#include <functional>
#include <istream>
#include <ostream>

#include "absl/time/time.h"
#include "derin/client/cancellation.h"

namespace derin::cli {

// What a command reads, writes and knows of its surroundings. main() fills it from the process,
// tests from strings.
struct Console {
  std::istream& in;
  // Results: text, tables, JSON.
  std::ostream& out;
  // Progress, notes and errors.
  std::ostream& err;
  bool out_is_terminal = false;
  bool err_is_terminal = false;
  // Width of the terminal; asked before each live line, since windows change their size.
  std::function<int()> columns = [] { return 80; };
  std::function<absl::Time()> now = [] { return absl::Now(); };
  // For times in text; JSON has UTC.
  absl::TimeZone time_zone = absl::UTCTimeZone();
  // From this call on an interrupt (Ctrl-C) cancels `interrupt` and no longer ends the process.
  std::function<void()> catch_interrupts = [] {};
  client::Cancellation& interrupt;
};

}  // namespace derin::cli
