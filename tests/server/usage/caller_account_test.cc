#include "server/usage/caller_account.h"

#include <gtest/gtest.h>

#include <thread>
#include <vector>

namespace derin::server {
namespace {

class CallerAccountTest : public ::testing::Test {
 protected:
  absl::Duration now_ = absl::Seconds(100);
  const MonotonicClock clock_ = [this] { return now_; };
};

TEST_F(CallerAccountTest, GoesOnFromWhatWasUsedBefore) {
  const UsageFigures before{.prompt_tokens = 1,
                            .generated_tokens = 2,
                            .scored_tokens = 3,
                            .trained_tokens = 4,
                            .call_time = absl::Seconds(5),
                            .training_time = absl::Seconds(6)};
  CallerAccount account(clock_, before);
  EXPECT_EQ(account.figures(), before);
  account.AddPromptTokens(10);
  account.AddGeneratedTokens(20);
  account.AddScoredTokens(30);
  account.AddTrainedTokens(40);
  account.AddCallTime(absl::Milliseconds(1));
  account.AddTrainingTime(absl::Microseconds(1));
  EXPECT_EQ(account.figures(),
            (UsageFigures{.prompt_tokens = 11,
                          .generated_tokens = 22,
                          .scored_tokens = 33,
                          .trained_tokens = 44,
                          .call_time = absl::Seconds(5) + absl::Milliseconds(1),
                          .training_time = absl::Seconds(6) + absl::Microseconds(1)}));
}

TEST_F(CallerAccountTest, ManyThreadsLoseNothing) {
  CallerAccount account(clock_);
  account.SetTokensPerMinute(60);
  std::vector<std::thread> threads;
  for (int i = 0; i < 4; ++i) {
    threads.emplace_back([&account] {
      for (int n = 0; n < 1000; ++n) account.AddGeneratedTokens(1);
    });
  }
  for (std::thread& thread : threads) thread.join();
  EXPECT_EQ(account.figures().generated_tokens, 4000);
  EXPECT_EQ(account.TokenDelay(), absl::Seconds(4000 - 60 + 1));
}

TEST_F(CallerAccountTest, PromptsDrawsAndScoresTakeFromTheMinute) {
  CallerAccount account(clock_);
  account.AddGeneratedTokens(1'000'000);
  EXPECT_EQ(account.TokenDelay(), absl::ZeroDuration()) << "there is no limit";
  account.SetTokensPerMinute(60);
  EXPECT_EQ(account.TokenDelay(), absl::ZeroDuration());
  account.AddPromptTokens(20);
  account.AddGeneratedTokens(20);
  account.AddTrainedTokens(1'000'000);
  EXPECT_EQ(account.TokenDelay(), absl::ZeroDuration());
  account.AddScoredTokens(20);
  EXPECT_EQ(account.TokenDelay(), absl::Seconds(1));
  now_ += absl::Seconds(1);
  EXPECT_EQ(account.TokenDelay(), absl::ZeroDuration());
}

TEST_F(CallerAccountTest, SayingTheSameLimitAgainFillsNothingUp) {
  CallerAccount account(clock_);
  account.SetTokensPerMinute(60);
  account.AddPromptTokens(60);
  account.SetTokensPerMinute(60);
  EXPECT_EQ(account.TokenDelay(), absl::Seconds(1));
  account.SetTokensPerMinute(600);
  EXPECT_EQ(account.TokenDelay(), absl::Milliseconds(100));
  account.SetTokensPerMinute(std::nullopt);
  EXPECT_EQ(account.TokenDelay(), absl::ZeroDuration());
}

}  // namespace
}  // namespace derin::server
