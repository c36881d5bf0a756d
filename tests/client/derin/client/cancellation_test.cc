#include "derin/client/cancellation.h"

#include <gtest/gtest.h>

#include <thread>

namespace derin::client {
namespace {

TEST(Cancellation, RunsEachStopOnce) {
  Cancellation cancellation;
  int first = 0;
  int second = 0;
  cancellation.Add([&first] { ++first; });
  cancellation.Add([&second] { ++second; });
  EXPECT_FALSE(cancellation.cancelled());
  cancellation.Cancel();
  cancellation.Cancel();
  EXPECT_TRUE(cancellation.cancelled());
  EXPECT_EQ(first, 1);
  EXPECT_EQ(second, 1);
}

TEST(Cancellation, RunsAStopAtOnceWhenItCameTooLate) {
  Cancellation cancellation;
  cancellation.Cancel();
  int stopped = 0;
  cancellation.Add([&stopped] { ++stopped; });
  EXPECT_EQ(stopped, 1);
}

TEST(Cancellation, ForgetsARemovedStop) {
  Cancellation cancellation;
  int stopped = 0;
  cancellation.Remove(cancellation.Add([&stopped] { ++stopped; }));
  cancellation.Cancel();
  EXPECT_EQ(stopped, 0);
}

TEST(Cancellation, EndsAWaitFromAnotherThread) {
  Cancellation cancellation;
  std::thread other([&cancellation] { cancellation.Cancel(); });
  EXPECT_TRUE(cancellation.Wait(absl::InfiniteDuration()));
  other.join();
}

TEST(Cancellation, WaitsNoLongerThanItIsTold) {
  const Cancellation cancellation;
  EXPECT_FALSE(cancellation.Wait(absl::ZeroDuration()));
}

}  // namespace
}  // namespace derin::client
