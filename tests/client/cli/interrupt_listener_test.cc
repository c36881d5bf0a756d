#include "client/cli/interrupt_listener.h"

#include <gtest/gtest.h>

#include <csignal>

namespace derin::cli {
namespace {

TEST(InterruptListener, TurnsAnInterruptIntoACancellation) {
  client::Cancellation cancellation;
  InterruptListener listener(cancellation);
  listener.Start();
  listener.Start();
  EXPECT_FALSE(cancellation.cancelled());
  std::raise(SIGINT);
  EXPECT_TRUE(cancellation.Wait(absl::InfiniteDuration()));
}

// Runs the rest of the test in a fresh process: a copy of this one would lack its other threads.
void DieInAFreshProcess() { ::testing::FLAGS_gtest_death_test_style = "threadsafe"; }

TEST(InterruptListener, GivesTheSignalBackAtItsEnd) {
  DieInAFreshProcess();
  client::Cancellation cancellation;
  {
    InterruptListener listener(cancellation);
    listener.Start();
  }
  EXPECT_FALSE(cancellation.cancelled());
  EXPECT_EXIT(std::raise(SIGINT), ::testing::KilledBySignal(SIGINT), "");
}

TEST(InterruptListener, EndsTheProcessAtASecondInterrupt) {
  DieInAFreshProcess();
  client::Cancellation cancellation;
  EXPECT_EXIT(
      {
        InterruptListener listener(cancellation);
        listener.Start();
        std::raise(SIGINT);
        std::raise(SIGINT);
      },
      ::testing::ExitedWithCode(130), "");
}

TEST(InterruptListener, DoesNothingUntilItIsStarted) {
  DieInAFreshProcess();
  client::Cancellation cancellation;
  const InterruptListener listener(cancellation);
  EXPECT_EXIT(std::raise(SIGINT), ::testing::KilledBySignal(SIGINT), "");
}

}  // namespace
}  // namespace derin::cli
