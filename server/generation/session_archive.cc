#include "server/generation/session_archive.h"

#include <algorithm>
#include <iterator>
#include <limits>
#include <set>

#include "absl/container/flat_hash_map.h"
#include "absl/container/flat_hash_set.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_format.h"
#include "server/status/error.h"

namespace derin::server {
namespace {

// Beside the newest image and the one where its last call began.
constexpr size_t kMostOlderImages = 64;
// A segment is copied when so much of it is garbage, and when the disk's share is used up, this.
constexpr double kGarbageShare = 0.5, kGarbageShareWhenFull = 0.1;

int64_t BytesOf(const SegmentLog::Record& record) {
  return static_cast<int64_t>(record.header.size() + record.body.size());
}

absl::Status NotSaved(const SessionImage& image, const absl::Status& why) {
  return Refusal(absl::StatusCode::kResourceExhausted, "SESSION_NOT_SAVED",
                 absl::StrCat("the state of ", image.name, " at position ", image.state.position,
                              " cannot be written to disk: ", why.message()));
}

// Which of `positions`, ascending with the newest last, is missed least when it goes: the one whose
// neighbours are nearest to each other for its age. So the older, the fewer.
size_t MissedLeast(const std::vector<int64_t>& positions) {
  size_t least = 0;
  double smallest = std::numeric_limits<double>::infinity();
  for (size_t i = 0; i + 1 < positions.size(); ++i) {
    const int64_t before = i == 0 ? 0 : positions[i - 1];
    const auto gap = static_cast<double>(positions[i + 1] - before);
    const double missed = gap / static_cast<double>(1 + positions.back() - positions[i]);
    if (missed < smallest) {
      smallest = missed;
      least = i;
    }
  }
  return least;
}

}  // namespace

// What a start finds on disk.
struct SessionArchive::Scan {
  struct Stored {
    int64_t sequence = 0, position = 0;
    RecordPlace place;
  };
  struct Found {
    std::vector<Stored> images;
    // Of the newest.
    int64_t newest = 0;
    absl::Time expire_time;
    std::vector<int64_t> remembered;
    const std::string* model_version = nullptr;
  };
  absl::flat_hash_map<Key, Found> sessions;
  std::set<std::string, std::less<>> model_versions;  // each once, since sessions are many
  absl::flat_hash_set<std::string> removed;
  std::vector<RecordPlace> garbage;

  void Add(const RecordPlace& place, SegmentLog::Kind kind, std::string_view bytes) {
    if (kind == SegmentLog::Kind::kTombstone) {
      removed.emplace(bytes);
      return;
    }
    absl::StatusOr<SessionHeader> header = DecodeHeader(bytes);
    if (!header.ok() || !header->lasting) {
      garbage.push_back(place);
      return;
    }
    Found& found = sessions[Key(std::move(header->owner), std::move(header->name))];
    found.images.push_back({header->sequence, header->position, place});
    if (header->sequence < found.newest) return;
    found.newest = header->sequence;
    found.expire_time = header->expire_time;
    found.remembered = std::move(header->remembered);
    found.model_version = &*model_versions.insert(std::move(header->model_version)).first;
  }

  // What is left of a session; without images when it has ended.
  Entry Take(const Key& key, Found& found, absl::Time now) {
    Entry entry{.expire_time = found.expire_time};
    const bool over = found.expire_time <= now || removed.contains(key.second);
    // A copy that was being made when the process died comes after what it copies.
    std::stable_sort(found.images.begin(), found.images.end(),
                     [](const Stored& a, const Stored& b) { return a.sequence < b.sequence; });
    for (size_t i = 0; i < found.images.size(); ++i) {
      const Stored& one = found.images[i];
      const bool copied =
          i + 1 < found.images.size() && found.images[i + 1].sequence == one.sequence;
      const bool needed =
          one.sequence == found.newest ||
          std::binary_search(found.remembered.begin(), found.remembered.end(), one.sequence);
      if (over || copied || !needed) {
        garbage.push_back(one.place);
      } else {
        entry.images.push_back({.sequence = one.sequence,
                                .position = one.position,
                                .place = one.place,
                                .in_memory = nullptr});
      }
    }
    entry.images.shrink_to_fit();
    return entry;
  }
};

absl::StatusOr<std::unique_ptr<SessionArchive>> SessionArchive::Open(
    std::filesystem::path folder, const SessionArchiveOptions& options, absl::Time now) {
  auto archive = std::unique_ptr<SessionArchive>(new SessionArchive(options));
  Scan scan;
  auto log = SegmentLog::Open(std::move(folder), {.segment_bytes = options.segment_bytes},
                              [&scan](const RecordPlace& place, SegmentLog::Kind kind,
                                      std::string_view header) { scan.Add(place, kind, header); });
  if (!log.ok()) return log.status();
  archive->log_ = *std::move(log);
  absl::MutexLock lock(&archive->mutex_);
  // In their order, so that each goes to the end of the map.
  std::vector<std::pair<Key, Scan::Found>> sessions;
  sessions.reserve(scan.sessions.size());
  for (auto& [key, found] : scan.sessions) sessions.emplace_back(key, std::move(found));
  scan.sessions.clear();
  std::sort(sessions.begin(), sessions.end(),
            [](const auto& a, const auto& b) { return a.first < b.first; });
  for (auto& [key, found] : sessions) {
    Entry entry = scan.Take(key, found, now);
    if (entry.images.empty()) continue;
    std::string model_version = *found.model_version;
    if (model_version.empty()) {
      // One that cannot be read can be used by nobody.
      const auto newest = archive->Read(entry.images.back());
      if (newest.ok()) model_version = newest->model_version;
    }
    archive->SetVersion(entry, model_version);
    ++archive->owned_[key.first];
    archive->entries_.emplace_hint(archive->entries_.end(), std::move(key), std::move(entry));
    found = {};
  }
  for (const RecordPlace& place : scan.garbage) archive->log_->Release(place);
  return archive;
}

absl::Status SessionArchive::Create(SessionImage& image) {
  absl::MutexLock lock(&mutex_);
  if (log_->needed_bytes() >= options_.disk_bytes) {
    return WithRetryAfter(
        Refusal(absl::StatusCode::kResourceExhausted, "SESSIONS_FULL",
                absl::StrFormat("sessions have %d of their %d bytes on disk: close some, or have "
                                "the operator raise --session-disk",
                                log_->needed_bytes(), options_.disk_bytes)),
        absl::Seconds(10));
  }
  MakeRoomInMemory();
  if (host_bytes_ > options_.host_bytes) {
    return WithRetryAfter(
        Refusal(absl::StatusCode::kResourceExhausted, "SESSIONS_FULL",
                absl::StrFormat("sessions have %d bytes of memory, --session-memory allows %d, and "
                                "the disk takes no more",
                                host_bytes_, options_.host_bytes)),
        absl::Seconds(10));
  }
  const auto entry = entries_.emplace(image.key(), Entry()).first;
  entry->second.lasting = image.lasting();
  SetVersion(entry->second, image.model_version);
  ++owned_[image.owner];
  absl::Status added = Add(entry, image);
  if (!added.ok()) Erase(entry);
  return added;
}

absl::Status SessionArchive::Put(SessionImage& image) {
  absl::MutexLock lock(&mutex_);
  const auto entry = entries_.find(image.key());
  if (entry == entries_.end()) return absl::NotFoundError("the session was removed");
  return Add(entry, image);
}

void SessionArchive::SetVersion(Entry& entry, std::string_view model_version) {
  entry.version = &*versions_.try_emplace(std::string(model_version), 0).first;
  ++entry.version->second;
}

int64_t SessionArchive::CountOf(std::string_view model_version) const {
  absl::MutexLock lock(&mutex_);
  const auto found = versions_.find(model_version);
  return found == versions_.end() ? 0 : found->second;
}

absl::Status SessionArchive::Add(Entries::iterator entry, SessionImage& image) {
  std::vector<Image>& images = entry->second.images;
  image.sequence = images.empty() ? 1 : images.back().sequence + 1;
  std::vector<Image> needless = TakeNeedless(entry->second, image);
  std::vector<int64_t> remembered;
  for (const Image& one : images) remembered.push_back(one.sequence);
  auto record = std::make_shared<SegmentLog::Record>();
  record->header = EncodeHeader(image, std::move(remembered));
  record->body = EncodeBody(image);
  Image kept{.sequence = image.sequence, .position = image.state.position};
  absl::Status status;
  if (image.lasting()) {
    const auto place = log_->Append(record->header, record->body);
    if (place.ok()) {
      kept.place = *place;
    } else {
      status = NotSaved(image, place.status());
      // Until it can be written, a restart begins with what there was on disk.
      const auto on_disk = std::partition(needless.begin(), needless.end(), std::not_fn(OnDisk));
      images.insert(images.end(), std::make_move_iterator(on_disk),
                    std::make_move_iterator(needless.end()));
      needless.erase(on_disk, needless.end());
      std::sort(images.begin(), images.end(),
                [](const Image& a, const Image& b) { return a.sequence < b.sequence; });
    }
    // Of a session that is on disk only the newest image is in memory, too.
    for (Image& one : images) {
      if (!OnDisk(one) || one.in_memory == nullptr) continue;
      host_bytes_ -= BytesOf(*one.in_memory);
      one.in_memory = nullptr;
    }
  }
  for (Image& one : needless) Release(one);
  host_bytes_ += BytesOf(*record);
  kept.in_memory = std::move(record);
  images.push_back(std::move(kept));
  entry->second.expire_time = image.expire_time();
  Touch(entry);
  MakeRoomInMemory();
  return status;
}

std::vector<SessionArchive::Image> SessionArchive::TakeNeedless(Entry& entry,
                                                                const SessionImage& image) const {
  std::vector<Image>& images = entry.images;
  std::vector<Image> needless;
  const int64_t start = image.last.has_value() ? image.last->start_sequence : 0;
  while (!images.empty() && images.back().sequence > start) {
    needless.push_back(std::move(images.back()));
    images.pop_back();
  }
  // Beside the start only what is on disk is worth its place, while there is some. Of a session
  // that outlives the process the rest is there because the disk was full, and would be for each
  // call.
  if (!images.empty()) {
    const auto on_disk =
        std::stable_partition(images.begin(), std::prev(images.end()), std::not_fn(OnDisk));
    std::move(images.begin(), on_disk, std::back_inserter(needless));
    images.erase(images.begin(), on_disk);
  }
  const bool has_room = entry.lasting && log_->needed_bytes() < options_.disk_bytes;
  while (images.size() > (has_room ? 1 + kMostOlderImages : 1)) {
    std::vector<int64_t> positions;
    for (const Image& one : images) positions.push_back(one.position);
    const auto least =
        images.begin() + static_cast<std::ptrdiff_t>(has_room ? MissedLeast(positions) : 0);
    needless.push_back(std::move(*least));
    images.erase(least);
  }
  return needless;
}

void SessionArchive::Release(Image& image) {
  if (OnDisk(image)) log_->Release(image.place);
  if (image.in_memory != nullptr) host_bytes_ -= BytesOf(*image.in_memory);
}

void SessionArchive::Touch(Entries::iterator entry) {
  auto& in_host = entry->second.in_host;
  if (in_host.has_value()) {
    host_.splice(host_.end(), host_, *in_host);
  } else {
    in_host = host_.insert(host_.end(), entry);
    in_memory_ += !entry->second.on_device;
  }
}

void SessionArchive::LeaveHost(Entry& entry) {
  if (!entry.in_host.has_value()) return;
  host_.erase(*entry.in_host);
  entry.in_host = std::nullopt;
  in_memory_ -= !entry.on_device;
}

void SessionArchive::EnterDevice(const Key& key) {
  absl::MutexLock lock(&mutex_);
  const auto found = entries_.find(key);
  if (found != entries_.end()) SetOnDevice(found->second, true);
}

void SessionArchive::LeaveDevice(const Key& key, absl::Time expire_time) {
  absl::MutexLock lock(&mutex_);
  const auto found = entries_.find(key);
  if (found == entries_.end()) return;
  Entry& entry = found->second;
  SetOnDevice(entry, false);
  entry.expire_time = std::max(entry.expire_time, expire_time);
}

void SessionArchive::SetOnDevice(Entry& entry, bool on_device) {
  if (entry.on_device == on_device) return;
  entry.on_device = on_device;
  if (entry.in_host.has_value()) in_memory_ += on_device ? -1 : 1;
}

void SessionArchive::MakeRoomInMemory() {
  // What cannot be written must not keep what needs no writing.
  constexpr int kMostTries = 16;
  int failed = 0;
  while (host_bytes_ > options_.host_bytes && !host_.empty() && failed < kMostTries) {
    Entry& entry = host_.front()->second;
    if (MoveToDisk(entry)) {
      LeaveHost(entry);
      ++moved_to_disk_;
    } else {
      ++failed;
      host_.splice(host_.end(), host_, host_.begin());
    }
  }
}

bool SessionArchive::MoveToDisk(Entry& entry) {
  for (Image& image : entry.images) {
    if (image.in_memory == nullptr) continue;
    if (!OnDisk(image)) {
      const auto place = log_->Append(image.in_memory->header, image.in_memory->body);
      if (!place.ok()) return false;
      image.place = *place;
    }
    host_bytes_ -= BytesOf(*image.in_memory);
    image.in_memory = nullptr;
  }
  return true;
}

absl::StatusOr<SessionImage> SessionArchive::Read(const Image& image) const {
  Record record = image.in_memory;
  if (record == nullptr) {
    auto read = log_->Read(image.place);
    if (!read.ok()) return read.status();
    record = std::make_shared<const SegmentLog::Record>(*std::move(read));
  }
  const auto header = DecodeHeader(record->header);
  if (!header.ok()) return header.status();
  return DecodeBody(*header, record->body);
}

absl::StatusOr<SessionArchive::Found> SessionArchive::Newest(const Key& key) {
  absl::MutexLock lock(&mutex_);
  const auto entry = entries_.find(key);
  if (entry == entries_.end()) return absl::NotFoundError("");
  const Image& newest = entry->second.images.back();
  auto image = Read(newest);
  if (!image.ok()) return image.status();
  // It may have been used since without a change.
  image->idle_since = std::max(image->idle_since, entry->second.expire_time - image->time_to_live);
  const bool in_memory = newest.in_memory != nullptr;
  if (in_memory) Touch(entry);
  return Found{*std::move(image), in_memory ? v1::SESSION_TIER_HOST : v1::SESSION_TIER_DISK};
}

absl::StatusOr<SessionImage> SessionArchive::At(const Key& key, int64_t sequence) {
  absl::MutexLock lock(&mutex_);
  const auto entry = entries_.find(key);
  if (entry == entries_.end()) return absl::NotFoundError("");
  for (const Image& image : entry->second.images) {
    if (image.sequence == sequence) return Read(image);
  }
  return absl::NotFoundError("");
}

int64_t SessionArchive::NewestSequence(const Key& key) const {
  absl::MutexLock lock(&mutex_);
  const auto entry = entries_.find(key);
  return entry == entries_.end() ? 0 : entry->second.images.back().sequence;
}

std::vector<SessionArchive::Remembered> SessionArchive::AllOf(const Key& key) const {
  absl::MutexLock lock(&mutex_);
  std::vector<Remembered> all;
  const auto entry = entries_.find(key);
  if (entry == entries_.end()) return all;
  for (const Image& image : entry->second.images) all.push_back({image.sequence, image.position});
  return all;
}

void SessionArchive::Erase(Entries::iterator entry) {
  for (Image& image : entry->second.images) Release(image);
  LeaveHost(entry->second);
  --entry->second.version->second;
  const auto owned = owned_.find(entry->first.first);
  if (--owned->second == 0) owned_.erase(owned);
  entries_.erase(entry);
}

bool SessionArchive::Remove(const Key& key) {
  absl::MutexLock lock(&mutex_);
  const auto entry = entries_.find(key);
  if (entry == entries_.end()) return false;
  Bury(entry);
  return true;
}

absl::StatusOr<bool> SessionArchive::Close(const Key& key) {
  absl::MutexLock lock(&mutex_);
  const auto entry = entries_.find(key);
  if (entry == entries_.end()) return false;
  if (entry->second.lasting) {
    if (absl::Status status = log_->AppendTombstone(key.second); !status.ok()) return status;
  }
  Erase(entry);
  return true;
}

bool SessionArchive::RemoveExpired(const Key& key, absl::Time now) {
  absl::MutexLock lock(&mutex_);
  const auto entry = entries_.find(key);
  if (entry == entries_.end() || entry->second.expire_time > now) return false;
  Bury(entry);
  return true;
}

void SessionArchive::Bury(Entries::iterator entry) {
  if (entry->second.lasting) log_->AppendTombstone(entry->first.second).IgnoreError();
  Erase(entry);
}

std::vector<std::string> SessionArchive::Names(std::string_view owner, std::string_view after,
                                               size_t limit) const {
  absl::MutexLock lock(&mutex_);
  std::vector<std::string> names;
  auto it = entries_.upper_bound({std::string(owner), std::string(after)});
  for (; it != entries_.end() && it->first.first == owner && names.size() < limit; ++it) {
    names.push_back(it->first.second);
  }
  return names;
}

std::vector<SessionArchive::Key> SessionArchive::Keys(const Key& after, size_t limit) const {
  absl::MutexLock lock(&mutex_);
  std::vector<Key> keys;
  for (auto it = entries_.upper_bound(after); it != entries_.end() && keys.size() < limit; ++it) {
    keys.push_back(it->first);
  }
  return keys;
}

std::string SessionArchive::OwnerOf(std::string_view name) const {
  absl::MutexLock lock(&mutex_);
  for (const auto& [owner, count] : owned_) {
    if (entries_.contains({owner, std::string(name)})) return owner;
  }
  return "";
}

int64_t SessionArchive::CountOwnedBy(std::string_view owner) const {
  absl::MutexLock lock(&mutex_);
  const auto owned = owned_.find(absl::string_view(owner.data(), owner.size()));
  return owned == owned_.end() ? 0 : owned->second;
}

std::vector<SessionArchive::Key> SessionArchive::Expired(absl::Time now, size_t limit,
                                                         Key& after) const {
  absl::MutexLock lock(&mutex_);
  std::vector<Key> expired;
  auto it = entries_.upper_bound(after);
  for (; it != entries_.end() && limit > 0; ++it, --limit) {
    if (it->second.expire_time <= now) expired.push_back(it->first);
    after = it->first;
  }
  if (it == entries_.end()) after = {};
  return expired;
}

absl::StatusOr<bool> SessionArchive::Compact() {
  log_->IndexSealed();
  const bool full = log_->file_bytes() > options_.disk_bytes;
  const uint32_t segment = log_->NextToCopy(full ? kGarbageShareWhenFull : kGarbageShare);
  if (segment == 0) return log_->RemoveDropped();
  absl::Status status;
  absl::Status visited = log_->Visit(
      segment, [&](const RecordPlace& place, SegmentLog::Kind kind, std::string_view header) {
        if (status.ok()) status = Move(place, kind, header);
      });
  if (status.ok()) status = visited;
  if (status.ok()) status = log_->Drop(segment);
  if (!status.ok()) return status;
  return true;
}

absl::Status SessionArchive::Move(const RecordPlace& place, SegmentLog::Kind kind,
                                  std::string_view header) {
  if (kind == SegmentLog::Kind::kTombstone) {
    // What it speaks of may only be in older segments.
    return log_->IsOldest(place.segment) ? absl::OkStatus() : log_->AppendTombstone(header);
  }
  const auto decoded = DecodeHeader(header);
  if (!decoded.ok()) return absl::OkStatus();
  // A session that is removed meanwhile must not be copied behind its tombstone.
  absl::MutexLock lock(&mutex_);
  const auto entry = entries_.find({decoded->owner, decoded->name});
  if (entry == entries_.end()) return absl::OkStatus();
  for (Image& image : entry->second.images) {
    if (image.place != place) continue;
    const auto record = log_->Read(place);
    // A damaged one is lost with or without its segment; it must not keep that for ever.
    if (absl::IsDataLoss(record.status())) return absl::OkStatus();
    if (!record.ok()) return record.status();
    const auto moved = log_->Append(record->header, record->body);
    if (!moved.ok()) return moved.status();
    log_->Release(place);
    image.place = *moved;
  }
  return absl::OkStatus();
}

SessionArchive::Counts SessionArchive::counts() const {
  absl::MutexLock lock(&mutex_);
  return {.sessions = static_cast<int64_t>(entries_.size()),
          .in_memory = in_memory_,
          .host_bytes = host_bytes_,
          .disk_bytes = log_->needed_bytes(),
          .moved_to_disk = moved_to_disk_};
}

}  // namespace derin::server
