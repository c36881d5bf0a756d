#include "server/jobs/device_shares.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <atomic>
#include <memory>
#include <string>
#include <thread>
#include <vector>

namespace derin::server {
namespace {

using ::testing::DoubleNear;

constexpr absl::Duration kStep = absl::Milliseconds(5);

// Jobs that train in steps, one after the other, by a clock that only training moves on.
struct DeviceSharesTest : testing::Test {
  struct Job {
    explicit Job(DeviceShares& shares, int share, absl::Duration step)
        : seat(shares, share), step(step) {}

    DeviceShares::Seat seat;
    const absl::Duration step;
    absl::Duration trained;
  };

  Job& Add(int share, absl::Duration step = kStep) {
    jobs.push_back(std::make_unique<Job>(shares, share, step));
    jobs.back()->seat.Join();
    return *jobs.back();
  }
  void Remove(const Job& job) {
    std::erase_if(jobs, [&job](const auto& each) { return each.get() == &job; });
  }
  // What each of them has trained meanwhile is in `trained`.
  void Train(absl::Duration time) {
    for (const auto& job : jobs) job->trained = absl::ZeroDuration();
    for (const absl::Duration until = now + time; now < until;) {
      const auto next = std::find_if(jobs.begin(), jobs.end(),
                                     [](const auto& job) { return job->seat.MayBegin(); });
      ASSERT_NE(next, jobs.end()) << "somebody goes on as long as anybody wants to";
      Job& job = **next;
      ASSERT_TRUE(job.seat.Begin());
      now += job.step;
      job.trained += job.step;
      if (job.seat.TurnIsOver()) job.seat.PassOn();
    }
  }

  absl::Duration now;
  DeviceShares shares{[this] { return now; }};
  std::vector<std::unique_ptr<Job>> jobs;
};

TEST_F(DeviceSharesTest, EqualSharesGetTheSameTime) {
  const Job &a = Add(1), &b = Add(1), &c = Add(1);
  Train(absl::Seconds(3));
  for (const Job* job : {&a, &b, &c}) {
    EXPECT_THAT(absl::ToDoubleSeconds(job->trained), DoubleNear(1, 0.04));
  }
}

TEST_F(DeviceSharesTest, TimeIsInProportionToTheSharesHoweverLongTheStepsAre) {
  // A step of the second takes longer than a turn.
  const Job &a = Add(3, absl::Milliseconds(1)), &b = Add(1, absl::Milliseconds(70));
  Train(absl::Seconds(40));
  EXPECT_THAT(absl::ToDoubleSeconds(a.trained), DoubleNear(30, 0.3));
  EXPECT_THAT(absl::ToDoubleSeconds(b.trained), DoubleNear(10, 0.3));
}

TEST_F(DeviceSharesTest, ASmallShareIsNotStarved) {
  const Job &large = Add(100), &small = Add(1);
  Train(absl::Seconds(100));
  EXPECT_GE(small.trained, absl::Milliseconds(900));
  EXPECT_GE(large.trained, absl::Milliseconds(98'900));
}

TEST_F(DeviceSharesTest, AJobAloneHasNoOtherToGiveWayTo) {
  Job& job = Add(1);
  ASSERT_TRUE(job.seat.Begin());
  for (int i = 0; i < 100; ++i) {
    now += absl::Seconds(1);
    EXPECT_FALSE(job.seat.TurnIsOver());
    EXPECT_TRUE(job.seat.Begin()) << "it is its turn already";
  }
}

TEST_F(DeviceSharesTest, OneThatComesLaterMakesNobodyPayForTheTimeBefore) {
  const Job& old = Add(1);
  Train(absl::Seconds(1000));
  const Job& young = Add(1);
  Train(absl::Seconds(1));
  EXPECT_THAT(absl::ToDoubleSeconds(old.trained), DoubleNear(0.5, 0.04));
  EXPECT_THAT(absl::ToDoubleSeconds(young.trained), DoubleNear(0.5, 0.04));
}

TEST_F(DeviceSharesTest, WhoIsAwayGivesItsShareToTheRestAtOnceAndSavesNothingUp) {
  Job& away = Add(2);
  const Job &b = Add(1), &c = Add(1);
  Train(absl::Seconds(1));
  away.seat.End();  // as while it writes a checkpoint
  Train(absl::Seconds(1));
  EXPECT_EQ(away.trained, absl::ZeroDuration());
  EXPECT_THAT(absl::ToDoubleSeconds(b.trained), DoubleNear(0.5, 0.06));
  EXPECT_THAT(absl::ToDoubleSeconds(c.trained), DoubleNear(0.5, 0.06));
  away.seat.Join();
  Train(absl::Seconds(1));
  EXPECT_THAT(absl::ToDoubleSeconds(away.trained), DoubleNear(0.5, 0.04));
}

TEST_F(DeviceSharesTest, WhoLeavesInItsTurnEndsIt) {
  const Job& leaves = Add(1);
  const Job& stays = Add(1);
  ASSERT_TRUE(jobs.front()->seat.Begin());
  EXPECT_FALSE(stays.seat.MayBegin());
  Remove(leaves);
  EXPECT_TRUE(stays.seat.MayBegin());
  Train(absl::Seconds(1));
  EXPECT_EQ(stays.trained, absl::Seconds(1));
}

TEST_F(DeviceSharesTest, AShareCanBeChangedWhileItIsUsed) {
  Job &a = Add(1), &b = Add(1);
  Train(absl::Seconds(1));
  b.seat.SetShare(4);
  Train(absl::Seconds(1));
  EXPECT_THAT(absl::ToDoubleSeconds(a.trained), DoubleNear(0.2, 0.04));
  EXPECT_THAT(absl::ToDoubleSeconds(b.trained), DoubleNear(0.8, 0.04));
}

TEST_F(DeviceSharesTest, OneThatWaitsCanBeInterrupted) {
  Job &has_it = Add(1), &waits = Add(1);
  ASSERT_TRUE(has_it.seat.Begin());
  std::atomic<bool> began = true;
  std::thread other([&] { began = waits.seat.Begin(); });
  waits.seat.Interrupt();
  other.join();
  EXPECT_FALSE(began);
  has_it.seat.End();
  EXPECT_TRUE(waits.seat.Begin()) << "once only";
}

TEST_F(DeviceSharesTest, OneAtATimeHasTheDeviceOnManyThreads) {
  DeviceShares real(SystemMonotonicClock());
  std::atomic<int> inside = 0, most = 0;
  int64_t steps = 0;  // guarded by the turns alone
  std::vector<std::thread> threads;
  for (int i = 0; i < 4; ++i) {
    threads.emplace_back([&, i] {
      DeviceShares::Seat seat(real, i + 1);
      for (int step = 0; step < 500; ++step) {
        ASSERT_TRUE(seat.Begin());
        most = std::max(most.load(), ++inside);
        ++steps;
        --inside;
        if (step % 3 == 0) seat.PassOn();
        if (step % 7 == 0) seat.End();
      }
    });
  }
  for (std::thread& thread : threads) thread.join();
  EXPECT_EQ(most, 1);
  EXPECT_EQ(steps, 2000);
}

}  // namespace
}  // namespace derin::server
