#include "client/cli/upload_line.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <sstream>

namespace derin::cli {
namespace {

constexpr int64_t kMebibyte = 1 << 20;

TEST(UploadText, SaysHowFarItIsAndHowFast) {
  EXPECT_EQ(UploadText(12 * kMebibyte, 96 * kMebibyte, absl::Seconds(2), 80),
            "12.0 MiB of 96.0 MiB  [===>                    ] 12 %  6.0 MiB/s");
  EXPECT_EQ(UploadText(96 * kMebibyte, 96 * kMebibyte, absl::ZeroDuration(), 80),
            "96.0 MiB of 96.0 MiB  [========================] 100 %");
  EXPECT_EQ(UploadText(12 * kMebibyte, std::nullopt, absl::Seconds(2), 80), "12.0 MiB  6.0 MiB/s");
}

TEST(UploadText, LeavesOutWhatDoesNotFit) {
  for (int width = 0; width < 80; ++width) {
    const std::string text = UploadText(12 * kMebibyte, 96 * kMebibyte, absl::Seconds(2), width);
    EXPECT_LE(static_cast<int>(text.size()), width);
    if (width >= 20) {
      EXPECT_THAT(text, ::testing::StartsWith("12.0 MiB of 96.0 MiB"));
    }
  }
}

class UploadLineTest : public ::testing::Test {
 protected:
  Console MakeConsole(bool terminal) {
    return {.in = in_,
            .out = out_,
            .err = err_,
            .err_is_terminal = terminal,
            .now = [this] { return now_; },
            .interrupt = interrupt_};
  }

  std::istringstream in_;
  std::ostringstream out_, err_;
  client::Cancellation interrupt_;
  absl::Time now_ = absl::FromUnixSeconds(1000);
};

TEST_F(UploadLineTest, IsRedrawnInPlaceBelowTheNotes) {
  Console console = MakeConsole(/*terminal=*/true);
  {
    UploadLine line(console, std::nullopt);
    line.Update(1024);
    line.Update(2048);  // too soon
    now_ += absl::Seconds(1);
    line.Note("lost");
    line.Update(3072);
  }
  EXPECT_EQ(err_.str(), "1.0 KiB\r\x1b[Klost\n3.0 KiB  3.0 KiB/s\r\x1b[K");
}

TEST_F(UploadLineTest, ElsewhereThereAreOnlyNotes) {
  Console console = MakeConsole(/*terminal=*/false);
  UploadLine line(console, 10);
  line.Update(5);
  line.Note("lost");
  EXPECT_EQ(err_.str(), "lost\n");
}

}  // namespace
}  // namespace derin::cli
