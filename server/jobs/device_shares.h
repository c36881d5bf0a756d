#pragma once

#include <cstdint>
#include <list>

#include "absl/base/thread_annotations.h"
#include "absl/synchronization/mutex.h"
#include "absl/time/time.h"
#include "server/metrics/monotonic_clock.h"

namespace derin::server {

// Divides the time that the device trains among the jobs that run: one of them trains at a time, in
// turns, and those that want to train get it in proportion to their shares. What generation takes
// of the device is not its matter, nor what training gets beside it, which is all trainings'
// together (see cpu::DeviceTurns).
//
// Each job has a virtual time, which its turns move on by their length divided by its share; of
// those that wait, that with the earliest goes next. One that was away begins with the time of who
// has the turn: nobody saves up what others used. Source: start-time fair queueing (Goyal, Vin and
// Cheng, 1996).
class DeviceShares {
  struct Member;

 public:
  // A turn ends with the first step that is done after so long, where another job is to go on.
  static constexpr absl::Duration kTurn = absl::Milliseconds(20);

  // Where one job waits for its turns; destroyed when it wants no more. One thread uses it, but for
  // SetShare and Interrupt.
  class Seat {
   public:
    // `shares` outlives it; `share` is at least 1.
    Seat(DeviceShares& shares, int share);
    ~Seat();
    Seat(const Seat&) = delete;
    Seat& operator=(const Seat&) = delete;

    // Gets in line, unless it is there already or it is this job's turn. Whoever is in line goes on
    // to Begin at once: the device waits for who is next.
    void Join();
    // Blocks until it is this job's turn, unless it is already. False when Interrupt came instead;
    // it is in line then. Joins the line where it was not in it.
    bool Begin();
    // Whether Begin would return at once.
    bool MayBegin() const;
    // Whether another job is to go on now.
    bool TurnIsOver();
    // Ends the turn and joins the line, in one.
    void PassOn();
    // Ends the turn, or leaves the line.
    void End();

    void SetShare(int share);
    // The Begin that waits, or else one that comes, returns.
    void Interrupt();

   private:
    DeviceShares& shares_;
    const std::list<Member>::iterator member_;
  };

  explicit DeviceShares(MonotonicClock clock);

 private:
  struct Member {
    double share = 1;
    double virtual_seconds = 0;
    bool waits = false;
    bool interrupted = false;
  };

  std::list<Member>::iterator Add(int share) ABSL_LOCKS_EXCLUDED(mutex_);
  void Remove(std::list<Member>::iterator member) ABSL_LOCKS_EXCLUDED(mutex_);
  bool Begin(Member& member) ABSL_LOCKS_EXCLUDED(mutex_);
  bool TurnIsOver(Member& member) ABSL_LOCKS_EXCLUDED(mutex_);
  void JoinLine(Member& member) ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_);
  void EndTurn(Member& member) ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_);
  bool IsNext(const Member& member) const ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_);
  void SetShare(Member& member, int share) ABSL_LOCKS_EXCLUDED(mutex_);

  // Of those that wait that with the earliest virtual time, of those the first; null: none.
  const Member* Earliest() const ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_);
  // The turn has cost its job the time until now.
  void Charge() ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_);
  void BeginTurn() ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_);

  const MonotonicClock clock_;
  mutable absl::Mutex mutex_;
  std::list<Member> members_ ABSL_GUARDED_BY(mutex_);
  Member* holder_ ABSL_GUARDED_BY(mutex_) = nullptr;  // whose turn it is
  absl::Duration turn_began_ ABSL_GUARDED_BY(mutex_);
  absl::Duration charged_until_ ABSL_GUARDED_BY(mutex_);
  double turn_virtual_ ABSL_GUARDED_BY(mutex_) = 0;  // where the turn began, in virtual seconds
};

}  // namespace derin::server
