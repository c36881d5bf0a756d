#include "server/rpc/handler_threads.h"

#include <memory>
#include <thread>

#include "absl/synchronization/blocking_counter.h"
#include "absl/synchronization/notification.h"
#include "gtest/gtest.h"

namespace derin::server {
namespace {

TEST(HandlerThreads, WhatWaitsHoldsUpNothingElse) {
  HandlerThreads threads(3);
  absl::Notification go;
  absl::BlockingCounter waiting(2);
  for (int i = 0; i < 2; ++i) {
    threads.Run([&] {
      waiting.DecrementCount();
      go.WaitForNotification();
    });
  }
  waiting.Wait();
  absl::Notification ran;
  threads.Run([&] { ran.Notify(); });
  ran.WaitForNotification();
  go.Notify();
}

TEST(HandlerThreads, WhatIsGivenBeyondTheThreadsWaitsForOne) {
  HandlerThreads threads(1);
  absl::Notification go, ran;
  threads.Run([&] { go.WaitForNotification(); });
  threads.Run([&] { ran.Notify(); });
  EXPECT_FALSE(ran.HasBeenNotified());
  go.Notify();
  ran.WaitForNotification();
}

TEST(HandlerThreads, RunInTheOrderInWhichTheyWereGiven) {
  int last = 0;
  {
    HandlerThreads threads(1);
    for (int i = 1; i <= 100; ++i) {
      threads.Run([&last, i] {
        EXPECT_EQ(last, i - 1);
        last = i;
      });
    }
  }
  EXPECT_EQ(last, 100) << "all that was given runs before the threads end";
}

TEST(HandlerThreads, LetGoOfWhatWasRun) {
  HandlerThreads threads;
  const auto held = std::make_shared<int>(1);
  std::weak_ptr<int> watched = held;
  absl::Notification ran, next;
  threads.Run([held = std::shared_ptr<int>(held), &ran] { ran.Notify(); });
  ran.WaitForNotification();
  threads.Run([&] { next.Notify(); });
  next.WaitForNotification();
  // A handler goes before its thread takes another one, and this one's thread may still be at it.
  while (watched.use_count() > 1) std::this_thread::yield();
}

}  // namespace
}  // namespace derin::server
