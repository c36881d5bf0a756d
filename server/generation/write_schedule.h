#pragma once

#include <optional>
#include <set>
#include <utility>
#include <vector>

#include "absl/container/flat_hash_map.h"
#include "absl/time/time.h"

namespace derin::server {

class Generation;

// When each stream may send its next message: one at a time, the first at once, then at most one in
// each of its intervals, so that what accumulates meanwhile goes together. Knows time only from its
// arguments. One thread at a time.
//
// Streams that leave the interval to the server have a short one while they are few. More of them
// share out so many messages a second as leave the processors time for the text itself, up to an
// interval that a reader still takes for a flow.
class WriteSchedule {
 public:
  static constexpr absl::Duration kShortestDefault = absl::Milliseconds(2);
  static constexpr absl::Duration kLongestDefault = absl::Milliseconds(20);

  explicit WriteSchedule(double messages_per_second) : messages_per_second_(messages_per_second) {}

  // With an `interval` of zero a stream sends as soon as the message before is gone; without one it
  // has the default.
  void Add(Generation* stream, std::optional<absl::Duration> interval);
  void Remove(Generation* stream);

  // There is something to send; `settled`: nothing more would come meanwhile, so that it may go
  // before the interval is over.
  void Ready(Generation* stream, bool settled = false);
  // The message that TakeDue gave leave to send is gone.
  void Written(Generation* stream);

  // The streams that may send now; each is then sending until Written. Those of the default
  // interval that might soon go along, so that their messages wake writer and readers together.
  std::vector<Generation*> TakeDue(absl::Time now);
  // When TakeDue will next have something; infinite future while nobody is waiting.
  absl::Time NextDue() const;

 private:
  struct Stream {
    std::optional<absl::Duration> interval;  // nothing: the default
    bool sending = false;
    bool ready = false;
    absl::Time due = absl::InfinitePast();
  };
  void Queue(Generation* generation, const Stream& stream);
  absl::Duration DefaultInterval() const;

  const double messages_per_second_;
  int default_streams_ = 0;  // without an interval of their own
  absl::flat_hash_map<Generation*, Stream> streams_;
  std::set<std::pair<absl::Time, Generation*>> waiting_;  // ready, and not sending
};

}  // namespace derin::server
