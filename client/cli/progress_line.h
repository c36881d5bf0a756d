#pragma once

#include <functional>
#include <optional>
#include <ostream>
#include <string>
#include <string_view>

#include "absl/time/time.h"
#include "derin/client/training.h"

namespace derin::cli {

// Where a job stands, in one line of at most `width` columns, such as
//   epoch 12/50  step 340/1400  perplexity 5.31  valid 5.60  12.3k tokens/s  [==>       ] 24 %
//   1m32s left
// (without the break). Where that does not fit, words and separators get shorter, such as
//   epoch 12/50 step 340/1400 ppl 5.31 valid 5.60 12.3k tok/s [=>      ] 1m32s left
// then the bar and after it other parts are left out, the perplexity last.
std::string ProgressText(const client::TrainingProgress& progress, int width);

// A job's progress on standard error: on a terminal one live line, redrawn in place below the
// notes; elsewhere a plain line now and then.
class ProgressLine {
 public:
  struct Settings {
    bool terminal = false;
    std::function<int()> columns;
    std::function<absl::Time()> now;
    // Least time between two lines; the last one is always shown.
    absl::Duration terminal_interval = absl::Milliseconds(50);
    absl::Duration plain_interval = absl::Seconds(5);
  };

  ProgressLine(std::ostream& out, Settings settings);

  void Update(const client::TrainingProgress& progress);

  // A line of its own, which stays; above the live one.
  void Note(std::string_view line);

  // Shows the last update if it was not, and ends the live line. Nothing more happens after it.
  void Finish();

 private:
  void Draw();
  void Erase();

  std::ostream& out_;
  const Settings settings_;
  std::optional<client::TrainingProgress> latest_;
  // Whether `latest_` is on the screen, and whether the cursor stands behind a live line.
  bool shown_ = false;
  bool live_ = false;
  absl::Time last_draw_ = absl::InfinitePast();
};

}  // namespace derin::cli
