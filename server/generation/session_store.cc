#include "server/generation/session_store.h"

#include <algorithm>
#include <cstdlib>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_format.h"
#include "model/sampling/philox.h"
#include "server/status/error.h"
#include "server/storage/random_id.h"
#include "server/storage/resource_name.h"

namespace derin::server {
namespace {

// A stream for the next fork of `state`: the same for the same fork of the same text, and but for a
// chance of 2^-32 another one for each other.
uint32_t ForkStream(const SessionState& state) {
  const auto position = static_cast<uint64_t>(state.position);
  return Philox4x32({{state.stream, state.forks + 1, static_cast<uint32_t>(position),
                      static_cast<uint32_t>(position >> 32)}},
                    /*key=*/0)
      .word[0];
}

absl::Status ModelDeleted(std::string_view session, std::string_view version) {
  return Refusal(absl::StatusCode::kNotFound, "MODEL_DELETED",
                 absl::StrCat("the model of ", Quoted(session), ", ",
                              absl::string_view(version.data(), version.size()), ", was deleted"));
}

absl::Status Unreadable(std::string_view name, const absl::Status& why) {
  return Refusal(
      absl::StatusCode::kDataLoss, "SESSION_DAMAGED",
      absl::StrCat("the stored state of ", Quoted(name), " cannot be used: ", why.message()));
}

}  // namespace

SessionStore::SessionStore(Backend& backend, SessionArchive& archive, Versions versions,
                           std::string server_id, const SessionStoreOptions& options,
                           std::function<absl::Time()> now)
    : backend_(backend),
      archive_(archive),
      versions_(std::move(versions)),
      server_id_(std::move(server_id)),
      options_(options),
      now_(std::move(now)),
      reader_(backend),
      device_(backend, options.device_bytes, [this](const Session& session) {
        // One that a call is in is left as it was before that.
        const absl::Time idle_since = session.idle_since();
        archive_.LeaveDevice(session.key(), idle_since == absl::InfiniteFuture()
                                                ? absl::InfinitePast()
                                                : idle_since + session.time_to_live());
      }) {}

absl::StatusOr<std::shared_ptr<const LoadedVersion>> SessionStore::Version(std::string_view name,
                                                                           std::string_view field) {
  auto version = versions_(name, field);
  if (ErrorReason(version.status()) != "WEIGHTS_MEMORY_FULL") return version;
  {
    absl::MutexLock lock(&mutex_);
    device_.RemoveUnused();
  }
  return versions_(name, field);
}

absl::StatusOr<std::shared_ptr<const LoadedVersion>> SessionStore::VersionOf(
    const SessionImage& image, std::string_view name, std::string_view field) {
  auto version = Version(image.model_version, field);
  return absl::IsNotFound(version.status()) ? ModelDeleted(name, image.model_version)
                                            : std::move(version);
}

absl::Status SessionStore::Retire(absl::Span<const std::string> versions, bool force) {
  // Those that have expired use nothing.
  if (!force) RemoveExpired();
  absl::MutexLock lock(&mutex_);
  int64_t sessions = 0;
  std::string_view used;  // the first of those in use
  for (const std::string& version : versions) {
    sessions += archive_.CountOf(version);
    if (used.empty() && sessions > 0) used = version;
  }
  if (sessions > 0 && !force) {
    return Refusal(
        absl::StatusCode::kFailedPrecondition, "MODEL_IN_USE",
        absl::StrFormat("%s is in use by sessions, %d in all: close them, wait until they "
                        "expire, or delete it with force, which ends them",
                        used, sessions));
  }
  retired_.insert(versions.begin(), versions.end());
  return absl::OkStatus();
}

void SessionStore::Unretire(absl::Span<const std::string> versions) {
  absl::MutexLock lock(&mutex_);
  for (const std::string& version : versions) retired_.erase(version);
}

void SessionStore::EndSessionsOf(absl::Span<const std::string> versions) {
  absl::MutexLock lock(&mutex_);
  for (const std::string& version : versions) device_.CloseAllOf(version);
}

absl::Status SessionStore::CheckNotRetired(const LoadedVersion& version) const {
  if (!retired_.contains(version.version.name())) return absl::OkStatus();
  return Refusal(absl::StatusCode::kNotFound, "MODEL_DELETED",
                 absl::StrCat(version.version.name(), " was deleted just now"));
}

absl::StatusOr<std::shared_ptr<Session>> SessionStore::PutOnDevice(
    SessionImage image, std::shared_ptr<const LoadedVersion> version) {
  if (absl::Status served = CheckNotRetired(*version); !served.ok()) return served;
  auto lease = device_.Lease(*version);
  if (!lease.ok()) return lease.status();
  auto session = std::make_shared<Session>(std::move(image), std::move(version), *std::move(lease));
  if (session->name().empty()) return session;
  archive_.EnterDevice(session->key());
  device_.Add(session);
  return session;
}

absl::StatusOr<SessionArchive::Found> SessionStore::Archived(const Key& key) {
  auto found = archive_.Newest(key);
  if (absl::IsNotFound(found.status())) return Missing(key.second);
  if (!found.ok()) return Unreadable(key.second, found.status());
  return found;
}

absl::Status SessionStore::CheckCount(std::string_view owner,
                                      std::optional<int64_t> max_owned) const {
  if (max_owned.has_value() && archive_.CountOwnedBy(owner) >= *max_owned) {
    return WithRetryAfter(
        Refusal(absl::StatusCode::kResourceExhausted, "CALLER_SESSIONS_FULL",
                absl::StrFormat("%s has as many sessions as its token allows: max_sessions is %d; "
                                "close one",
                                std::string(owner), *max_owned)),
        absl::Seconds(1));
  }
  if (archive_.counts().sessions < options_.max_sessions) return absl::OkStatus();
  return WithRetryAfter(
      Refusal(absl::StatusCode::kResourceExhausted, "SESSIONS_FULL",
              absl::StrFormat("all %d sessions of this server are in use: close one, or have the "
                              "operator raise --max-sessions",
                              options_.max_sessions)),
      absl::Seconds(1));
}

absl::Status SessionStore::Missing(std::string_view name) const {
  const absl::StatusOr<std::string> id = ParseResourceName(kSessions, name, "name");
  const std::string_view server = id.ok() ? ServerOfSession(*id) : "";
  if (!server.empty() && server != server_id_) {
    return Refusal(absl::StatusCode::kFailedPrecondition, "WRONG_SERVER",
                   absl::StrCat("session ", Quoted(name), " belongs to server ", Quoted(server),
                                ", this is ", server_id_));
  }
  return Refusal(absl::StatusCode::kNotFound, "SESSION_NOT_FOUND",
                 absl::StrCat("there is no session ", Quoted(name),
                              "; sessions end when they are closed, when no call used them for "
                              "their time to live, and, with durability none, with their server's "
                              "process"));
}

SessionImage SessionStore::Fresh(const LoadedVersion& version, std::string_view owner,
                                 const OpenOptions& options) const {
  const absl::Time now = now_();
  return {.name = ResourceName(kSessions, NewSessionId(server_id_)),
          .owner = std::string(owner),
          .model_version = version.version.name(),
          .engine_id = version.engine_id,
          .create_time = now,
          .idle_since = now,
          .durability = options.durability,
          .time_to_live = options.time_to_live.value_or(options_.time_to_live),
          .state = {.seed = options.seed}};
}

absl::StatusOr<SessionView> SessionStore::Open(const LoadedVersion& version, std::string_view owner,
                                               const OpenOptions& options) {
  return Import({}, version, owner, options);
}

absl::StatusOr<SessionView> SessionStore::Import(SessionImage image, const LoadedVersion& version,
                                                 std::string_view owner,
                                                 const OpenOptions& options) {
  auto created = Create(std::move(image), version, owner, options);
  if (!created.ok()) return created.status();
  return View(*std::move(created), v1::SESSION_TIER_HOST, nullptr);
}

absl::StatusOr<SessionImage> SessionStore::Create(SessionImage image, const LoadedVersion& version,
                                                  std::string_view owner,
                                                  const OpenOptions& options) {
  if (absl::Status status = CheckCount(owner, options.max_owned); !status.ok()) return status;
  SessionImage fresh = Fresh(version, owner, options);
  fresh.state = std::move(image.state);
  fresh.state.seed = options.seed;
  fresh.hidden = std::move(image.hidden);
  // What computed the state so far, where it is another engine.
  if (!image.engine_id.empty()) fresh.engine_id = image.engine_id;
  if (absl::Status created = archive_.Create(fresh); !created.ok()) return created;
  absl::Status served;
  {
    // Whoever retires the version from here on sees the session.
    absl::MutexLock lock(&mutex_);
    served = CheckNotRetired(version);
  }
  if (!served.ok()) {
    archive_.Remove(fresh.key());
    return served;
  }
  if (absl::Status synced = SyncFor(fresh.durability); !synced.ok()) {
    // Nobody knows its name.
    archive_.Remove(fresh.key());
    return synced;
  }
  return fresh;
}

absl::StatusOr<SessionStore::Acquired> SessionStore::Acquire(std::string_view name,
                                                             std::string_view owner,
                                                             std::string_view field) {
  const absl::StatusOr<std::string> id = ParseResourceName(kSessions, name, field);
  if (!id.ok()) return id.status();
  const Key key(owner, name);
  for (;;) {
    {
      absl::MutexLock lock(&mutex_);
      if (auto session = device_.Use(key)) return Acquired{session, v1::SESSION_TIER_DEVICE};
    }
    auto found = Archived(key);
    if (absl::IsDataLoss(found.status())) ++failed_to_restore_;
    if (!found.ok()) return found.status();
    if (found->image.expire_time() <= now_()) {
      if (archive_.RemoveExpired(key, now_())) ++expired_;
      return Missing(name);
    }
    auto version = VersionOf(found->image, name, field);
    if (!version.ok()) return version.status();
    absl::MutexLock lock(&mutex_);
    if (auto session = device_.Use(key)) return Acquired{session, v1::SESSION_TIER_DEVICE};
    // Meanwhile it may have been on the device, and gone on there.
    if (archive_.NewestSequence(key) != found->image.sequence) continue;
    const int64_t elements = StateElements((*version)->model->config());
    const auto stored = static_cast<int64_t>(found->image.hidden.size());
    if (stored != 0 && stored != elements) {
      ++failed_to_restore_;
      return Unreadable(name, absl::DataLossError(absl::StrFormat(
                                  "it has %d numbers, the model's state %d", stored, elements)));
    }
    auto session = PutOnDevice(std::move(found->image), *std::move(version));
    if (!session.ok()) return session.status();
    // One that was just opened has nothing to bring back.
    if (stored != 0) ++(found->tier == v1::SESSION_TIER_HOST ? from_memory_ : from_disk_);
    return Acquired{*std::move(session), found->tier};
  }
}

absl::StatusOr<SessionStore::Acquired> SessionStore::OpenForCall(
    std::shared_ptr<const LoadedVersion> version, std::string_view owner,
    const OpenOptions& options, std::string_view request_id) {
  const std::pair<std::string, std::string> call(owner, request_id);
  if (!request_id.empty()) {
    std::string opened;
    {
      absl::MutexLock lock(&mutex_);
      const auto found = opened_by_.find(call);
      if (found != opened_by_.end()) opened = found->second;
    }
    if (!opened.empty()) {
      auto again = Acquire(opened, owner, "model");
      // It may be there again after what is only a lack of room now.
      if (!again.ok() && !absl::IsNotFound(again.status())) return again;
      if (again.ok()) {
        const auto last = again->session->last_call();
        if (last.has_value() && last->key.request_id == request_id) return again;
      }
    }
  }
  auto created = Create({}, *version, owner, options);
  if (!created.ok()) return created.status();
  const Key key = created->key();
  absl::MutexLock lock(&mutex_);
  if (!request_id.empty()) {
    opened_by_[call] = created->name;
    if (opened_by_.size() >= opened_by_limit_) {
      absl::erase_if(opened_by_, [this](const auto& one) {
        return archive_.NewestSequence({one.first.first, one.second}) == 0;
      });
      opened_by_limit_ = 64 + 2 * opened_by_.size();
    }
  }
  auto session = PutOnDevice(*std::move(created), std::move(version));
  if (!session.ok()) {
    archive_.Remove(key);
    return session.status();
  }
  return Acquired{*std::move(session), v1::SESSION_TIER_HOST};
}

absl::StatusOr<std::shared_ptr<Session>> SessionStore::OpenForOneCall(
    std::shared_ptr<const LoadedVersion> version, std::string_view owner, uint64_t seed) {
  SessionImage image = Fresh(*version, owner, {.seed = seed});
  image.name.clear();
  absl::MutexLock lock(&mutex_);
  return PutOnDevice(std::move(image), std::move(version));
}

SessionView SessionStore::View(SessionImage image, v1::SessionTier tier,
                               const Session* session) const {
  SessionView view{.image = std::move(image), .tier = tier};
  view.image.hidden.clear();
  if (session != nullptr) {
    const absl::Time idle_since = session->idle_since();
    view.busy = idle_since == absl::InfiniteFuture();
    view.image = session->Facts(idle_since);
    view.image.state.position = session->position();
    view.image.state.seed = session->seed();
    view.image.state.stream = session->stream();
    view.tier = v1::SESSION_TIER_DEVICE;
  }
  view.remembered = RememberedBy(view.image, archive_.AllOf(view.image.key()));
  return view;
}

absl::StatusOr<SessionView> SessionStore::Get(std::string_view name, std::string_view owner) {
  const absl::StatusOr<std::string> id = ParseResourceName(kSessions, name, "name");
  if (!id.ok()) return id.status();
  const Key key(owner, name);
  std::shared_ptr<Session> session;
  {
    absl::MutexLock lock(&mutex_);
    session = device_.Find(key);
  }
  if (session != nullptr) return View({}, v1::SESSION_TIER_DEVICE, session.get());
  auto found = Archived(key);
  if (!found.ok()) return found.status();
  if (found->image.expire_time() <= now_()) return Missing(name);
  return View(std::move(found->image), found->tier, nullptr);
}

SessionStore::Page SessionStore::List(std::string_view owner, std::string_view after, int limit) {
  Page page;
  const std::vector<std::string> names = archive_.Names(owner, after, limit + 1);
  const size_t count = std::min(names.size(), static_cast<size_t>(limit));
  for (size_t i = 0; i < count; ++i) {
    // One that ends just now, or cannot be read, is left out.
    auto view = Get(names[i], owner);
    if (view.ok()) page.sessions.push_back(*std::move(view));
  }
  if (names.size() > count) page.next = names[count - 1];
  return page;
}

SessionStore::Page SessionStore::ListAll(std::string_view after, int limit) {
  // An owner's name has no such character.
  constexpr char kBetween = '\n';
  const size_t between = std::min(after.find(kBetween), after.size());
  const Key first(after.substr(0, between), after.substr(std::min(between + 1, after.size())));
  Page page;
  const std::vector<Key> keys = archive_.Keys(first, limit + 1);
  const size_t count = std::min(keys.size(), static_cast<size_t>(limit));
  for (size_t i = 0; i < count; ++i) {
    auto view = Get(keys[i].second, keys[i].first);
    if (view.ok()) page.sessions.push_back(*std::move(view));
  }
  if (keys.size() > count) {
    page.next =
        absl::StrCat(keys[count - 1].first, std::string(1, kBetween), keys[count - 1].second);
  }
  return page;
}

absl::StatusOr<SessionImage> SessionStore::Image(std::string_view name, std::string_view owner) {
  const auto view = Get(name, owner);
  if (!view.ok()) return view.status();
  if (view->busy) {
    return Refusal(absl::StatusCode::kAborted, "SESSION_BUSY",
                   absl::StrCat("a call generates in ", Quoted(name), ": wait for its end"));
  }
  // A session at rest is as its newest image has it.
  auto found = Archived(Key(owner, name));
  if (!found.ok()) return found.status();
  return std::move(found->image);
}

SessionImage SessionStore::Fork(SessionImage image, SessionState& state,
                                const ForkOptions& options) const {
  image.create_time = image.idle_since = now_();
  image.last = std::nullopt;
  image.state.forks = 0;
  if (options.seed.has_value()) image.state.seed = *options.seed;
  if (!options.same_stream) {
    image.state.stream = ForkStream(state);
    ++state.forks;
  }
  return image;
}

absl::StatusOr<SessionView> SessionStore::Fork(std::string_view name, std::string_view owner,
                                               const ForkOptions& options) {
  const auto acquired = Acquire(name, owner, "name");
  if (!acquired.ok()) return acquired.status();
  Session& from = *acquired->session;
  if (absl::Status health = backend_.health(); !health.ok()) return DeviceLost(health);
  // As a call would: nobody else may change it meanwhile.
  if (absl::Status begun = from.TryBegin(); !begun.ok()) return begun;
  absl::StatusOr<SessionImage> image = Snapshot(from);
  absl::Status status = CheckCount(from.owner(), options.max_owned);
  if (status.ok()) status = image.status();
  if (status.ok()) {
    const uint32_t forks = from.state.forks;
    *image = Fork(*std::move(image), from.state, options);
    image->name = ResourceName(kSessions, NewSessionId(server_id_));
    status = archive_.Create(*image);
    if (status.ok() && !options.same_stream) status = Keep(from);
    if (status.ok()) status = SyncFor(image->durability);
    if (!status.ok()) {
      // As if there had been no fork: the next one is this one.
      archive_.Remove(image->key());
      from.state.forks = forks;
    }
  }
  from.End(now_());
  if (!status.ok()) return status;
  return View(*std::move(image), v1::SESSION_TIER_HOST, nullptr);
}

absl::StatusOr<std::shared_ptr<Session>> SessionStore::ForkBegun(Session& from,
                                                                 const ForkOptions& options,
                                                                 bool for_one_call) {
  auto image = Snapshot(from);
  if (!image.ok()) return image.status();
  const bool named = !from.name().empty() && !for_one_call;
  if (named) {
    absl::Status status = CheckCount(from.owner(), options.max_owned);
    if (!status.ok()) return status;
  }
  *image = Fork(*std::move(image), from.state, options);
  image->sequence = 0;
  image->name = named ? ResourceName(kSessions, NewSessionId(server_id_)) : "";
  if (named) {
    if (absl::Status created = archive_.Create(*image); !created.ok()) return created;
  }
  const Key key = image->key();
  absl::MutexLock lock(&mutex_);
  auto fork = PutOnDevice(*std::move(image), from.version());
  if (!fork.ok() && named) archive_.Remove(key);
  return fork;
}

absl::StatusOr<std::shared_ptr<const SessionImage>> SessionStore::StartOfLastCall(
    const Session& session) const {
  const auto last = session.last_call();
  auto image = archive_.At(session.key(), last->start_sequence);
  if (!image.ok()) {
    return Unreadable(session.name(), absl::IsNotFound(image.status())
                                          ? absl::DataLossError("its last call's start is gone")
                                          : image.status());
  }
  return std::make_shared<const SessionImage>(*std::move(image));
}

absl::StatusOr<SessionStore::RewindPlan> SessionStore::Rewind(Session& session, int64_t position) {
  SessionImage now = session.Facts(now_());
  now.state.position = session.state.position;
  now.sequence = session.sequence();
  std::optional<int64_t> nearest;
  for (const auto& range : RememberedBy(now, archive_.AllOf(now.key()))) {
    const int64_t near = std::clamp(position, range.first, range.last);
    if (!nearest.has_value() || std::abs(near - position) < std::abs(*nearest - position)) {
      nearest = near;
    }
  }
  if (*nearest != position) {
    return Refusal(absl::StatusCode::kOutOfRange, "POSITION_NOT_REMEMBERED",
                   absl::StrCat("position: got ", position, ", which ", session.name(),
                                " does not remember; the nearest that it does is ", *nearest));
  }
  if (position == session.state.position) return RewindPlan{};
  const std::optional<LastCall>& last = now.last;
  if (last.has_value() && position >= last->start_position) {
    // With its start gone, only where it is is remembered of it.
    auto start = StartOfLastCall(session);
    if (!start.ok()) return start.status();
    if (position > last->start_position) return RewindPlan{last->request, *std::move(start)};
    session.Restore(**start);
  } else {
    // Of several images at one position the newest: the others led to it.
    int64_t sequence = 0;
    for (const auto& one : archive_.AllOf(session.key())) {
      if (one.position == position) sequence = one.sequence;
    }
    const auto image = archive_.At(session.key(), sequence);
    if (!image.ok()) return Unreadable(session.name(), image.status());
    session.RestoreWithCall(*image);
  }
  absl::Status kept = Keep(session);
  if (kept.ok()) kept = SyncFor(session.durability());
  if (!kept.ok()) return kept;
  return RewindPlan{};
}

absl::Status SessionStore::Close(std::string_view name, std::string_view owner) {
  const absl::StatusOr<std::string> id = ParseResourceName(kSessions, name, "name");
  if (!id.ok()) return id.status();
  const Key key(owner, name);
  // First, so that no call brings it back.
  const absl::StatusOr<bool> closed = archive_.Close(key);
  if (!closed.ok()) return closed.status();
  if (!*closed) return Missing(name);
  absl::MutexLock lock(&mutex_);
  if (const auto session = device_.Find(key); session != nullptr) session->Close();
  device_.Remove(key);
  return absl::OkStatus();
}

absl::StatusOr<SessionImage> SessionStore::Snapshot(const Session& session) {
  SessionImage image = session.Facts(now_());
  image.state = session.state;
  image.sequence = session.sequence();
  if (image.state.position == 0) return image;
  if (!session.to_upload().empty()) {
    image.hidden = session.to_upload();
    return image;
  }
  auto hidden = reader_.Read(session.lease().pool(), session.lease().slot());
  if (!hidden.ok()) return hidden.status();
  image.hidden = *std::move(hidden);
  return image;
}

absl::Status SessionStore::Keep(Session& session) {
  if (session.name().empty() || session.closed()) return absl::OkStatus();
  auto image = Snapshot(session);
  if (!image.ok()) {
    // What the device has of it cannot be trusted: it is what it was before the call.
    absl::MutexLock lock(&mutex_);
    if (device_.Find(session.key()).get() == &session) device_.Remove(session.key());
    return image.status();
  }
  const absl::Status kept = archive_.Put(*image);
  // Closed by somebody just now.
  if (absl::IsNotFound(kept)) return absl::OkStatus();
  session.set_sequence(image->sequence);
  return kept;
}

absl::Status SessionStore::Sync() {
  const absl::Status synced = archive_.Sync();
  if (synced.ok()) return synced;
  return Refusal(
      absl::StatusCode::kResourceExhausted, "SESSION_NOT_SAVED",
      absl::StrCat("the state of the session may not outlive a loss of power: ", synced.message()));
}

absl::Status SessionStore::SyncFor(v1::Durability durability) {
  return durability == v1::DURABILITY_POWER ? Sync() : absl::OkStatus();
}

void SessionStore::RemoveExpired() {
  constexpr size_t kAtOnce = 1000;
  Key after;
  do {
    for (const Key& key : archive_.Expired(now_(), kAtOnce, after)) {
      absl::MutexLock lock(&mutex_);
      // One that a call is in has a later time to come; one that a call was in just now has it
      // already.
      if (device_.HasUser(key)) continue;
      const auto session = device_.Find(key);
      // One that was used without a change, as to score a text, was used all the same.
      if (session != nullptr && session->idle_since() + session->time_to_live() > now_()) continue;
      if (!archive_.RemoveExpired(key, now_())) continue;
      ++expired_;
      if (session != nullptr) session->Close();
      device_.Remove(key);
    }
  } while (!after.second.empty());
}

SessionStore::Counts SessionStore::counts() const {
  const SessionArchive::Counts archived = archive_.counts();
  absl::MutexLock lock(&mutex_);
  return {.sessions = archived.sessions,
          .on_device = device_.size(),
          .in_memory = archived.in_memory,
          .device_bytes = device_.taken_bytes(),
          .host_bytes = archived.host_bytes,
          .disk_bytes = archived.disk_bytes,
          .left_device = device_.left(),
          .left_memory = archived.moved_to_disk,
          .expired = expired_,
          .from_memory = from_memory_,
          .from_disk = from_disk_,
          .failed_to_restore = failed_to_restore_};
}

}  // namespace derin::server
