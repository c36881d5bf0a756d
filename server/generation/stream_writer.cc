#include "server/generation/stream_writer.h"

#include <algorithm>
#include <limits>
#include <utility>

namespace derin::server {

namespace {

// A message takes some 11 microseconds of this process and 8 of its reader, who may be on the same
// machine: of all processors they get a tenth at most.
constexpr double kMessagesPerProcessor = 5'000;

double MessagesPerSecond() {
  return kMessagesPerProcessor * std::max(1u, std::thread::hardware_concurrency());
}

}  // namespace

StreamWriter::StreamWriter(std::function<void()> on_room)
    : on_room_(std::move(on_room)), schedule_(MessagesPerSecond()), thread_([this] { Run(); }) {}

StreamWriter::~StreamWriter() {
  {
    absl::MutexLock lock(&mutex_);
    stopping_ = true;
  }
  thread_.join();
}

void StreamWriter::Add(std::shared_ptr<Generation> stream) {
  absl::MutexLock lock(&mutex_);
  schedule_.Add(stream.get(), stream->message_interval());
  streams_[stream.get()] = std::move(stream);
}

void StreamWriter::Ready(absl::Span<const std::shared_ptr<Generation>> streams) {
  absl::MutexLock lock(&mutex_);
  for (const auto& stream : streams) {
    // Who has nothing more to add does not wait for the interval.
    schedule_.Ready(stream.get(), stream->outbox().settled());
  }
}

void StreamWriter::Written(Generation* stream) {
  absl::MutexLock lock(&mutex_);
  // What did not go with that message goes with the next.
  if (!stream->outbox().empty()) schedule_.Ready(stream);
  schedule_.Written(stream);
}

void StreamWriter::Run() {
  for (;;) {
    std::vector<std::shared_ptr<Generation>> due;
    {
      absl::MutexLock lock(&mutex_);
      waits_until_ = schedule_.NextDue();
      mutex_.AwaitWithDeadline(absl::Condition(this, &StreamWriter::HasWork), waits_until_);
      if (stopping_) return;
      for (Generation* stream : schedule_.TakeDue(absl::Now())) due.push_back(streams_[stream]);
    }
    for (const auto& stream : due) SendNext(stream);
  }
}

void StreamWriter::SendNext(const std::shared_ptr<Generation>& stream) {
  StreamPiece piece =
      stream->outbox().Drain(stream->per_token() ? 1 : std::numeric_limits<size_t>::max());
  if (piece.made_room) on_room_();
  if (piece.text.empty() && piece.tokens.empty() && !piece.end.has_value()) {
    return Written(stream.get());
  }
  if (piece.end.has_value()) {
    // The sink may be gone as soon as it has the end.
    absl::MutexLock lock(&mutex_);
    schedule_.Remove(stream.get());
    streams_.erase(stream.get());
  }
  stream->sink().Send(std::move(piece));
}

}  // namespace derin::server
