#include "server/generation/session_image.h"

#include <cmath>
#include <cstring>
#include <memory>
#include <utility>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_format.h"
#include "derin/storage/session.pb.h"
#include "server/status/error.h"
#include "server/storage/crc32.h"
#include "server/storage/proto_time.h"

namespace derin::server {
namespace {

// The first bytes of an export: what it is, and the version of its format.
constexpr std::string_view kMagic = "drinses1";
constexpr size_t kChecksumBytes = 4;
// More is held back by nobody: a stop string has at most 128 bytes, and its normalisation no more
// than three times as many.
constexpr size_t kMostHeldBack = 4096;
// A session that draws a million tokens a second gets there in 285 years.
constexpr int64_t kMostPosition = int64_t{1} << 53;

bool IsUtf8(std::string_view text) {
  Utf8Checker checker;
  return checker.Append(text).ok() && checker.Finish().ok();
}

storage::SessionState ToProto(const SessionImage& image) {
  const SessionState& state = image.state;
  storage::SessionState proto;
  proto.set_position(state.position);
  if (state.pending.has_value()) proto.set_pending(*state.pending);
  proto.set_seed(state.seed);
  proto.set_stream(state.stream);
  proto.set_forks(state.forks);
  for (int back = state.recent.size() - 1; back >= 0; --back) {
    proto.add_recent(state.recent.Back(back));
  }
  proto.set_unfinished(state.text.held_back());
  proto.set_held_back(state.held.text);
  proto.set_held_back_sent(static_cast<uint32_t>(state.held.sent));
  proto.set_hidden(image.hidden.data(), image.hidden.size() * sizeof(float));
  return proto;
}

storage::SessionBody ToBody(const SessionImage& image) {
  storage::SessionBody body;
  body.set_model_version(image.model_version);
  body.set_engine_id(image.engine_id);
  *body.mutable_create_time() = ToTimestamp(image.create_time);
  *body.mutable_idle_since() = ToTimestamp(image.idle_since);
  body.set_durability(image.durability);
  *body.mutable_time_to_live() = ToProtoDuration(image.time_to_live);
  *body.mutable_state() = ToProto(image);
  if (!image.last.has_value()) return body;
  storage::LastCall& last = *body.mutable_last_call();
  last.set_request_id(image.last->key.request_id);
  last.set_digest(image.last->key.digest);
  last.set_start_sequence(image.last->start_sequence);
  last.set_start_position(image.last->start_position);
  last.set_start_seed(image.last->start_seed);
  last.set_end_position(image.last->end_position);
  if (image.last->request != nullptr) *last.mutable_request() = *image.last->request;
  return body;
}

// What is wrong with `proto`; empty when nothing is.
std::string Fault(const storage::SessionState& proto) {
  if (proto.position() < 0 || proto.position() > kMostPosition) {
    return absl::StrCat("its position is ", proto.position());
  }
  if (proto.recent_size() > RecentTokens::kCapacity) {
    return absl::StrCat("it has ", proto.recent_size(), " recent tokens");
  }
  if (proto.unfinished().size() > 3 || proto.held_back().size() > kMostHeldBack ||
      proto.held_back_sent() > proto.held_back().size() ||
      !IsUtf8(proto.held_back().substr(0, proto.held_back_sent())) ||
      !IsUtf8(proto.held_back().substr(proto.held_back_sent()))) {
    return "what it holds back cannot be";
  }
  if (proto.hidden().size() % sizeof(float) != 0 ||
      (proto.position() == 0) != proto.hidden().empty()) {
    return absl::StrCat("its hidden state has ", proto.hidden().size(), " bytes");
  }
  return "";
}

void FromProto(const storage::SessionState& proto, SessionImage& image) {
  SessionState& state = image.state;
  state.position = proto.position();
  if (proto.has_pending()) state.pending = proto.pending();
  state.seed = proto.seed();
  state.stream = proto.stream();
  state.forks = proto.forks();
  for (const int32_t token : proto.recent()) state.recent.Push(token);
  state.text = Utf8Assembler(proto.unfinished());
  state.held = {.text = proto.held_back(), .sent = proto.held_back_sent()};
  image.hidden.resize(proto.hidden().size() / sizeof(float));
  if (!image.hidden.empty()) {
    std::memcpy(image.hidden.data(), proto.hidden().data(), proto.hidden().size());
  }
}

void FromProto(const storage::SessionBody& body, SessionImage& image) {
  image.model_version = body.model_version();
  image.engine_id = body.engine_id();
  image.create_time = FromTimestamp(body.create_time());
  image.idle_since = FromTimestamp(body.idle_since());
  image.durability = body.durability();
  image.time_to_live = FromProtoDuration(body.time_to_live());
  FromProto(body.state(), image);
  if (!body.has_last_call()) return;
  const storage::LastCall& last = body.last_call();
  image.last = LastCall{.key = {last.request_id(), last.digest()},
                        .start_sequence = last.start_sequence(),
                        .start_position = last.start_position(),
                        .start_seed = last.start_seed(),
                        .end_position = last.end_position(),
                        .request = nullptr};
  if (last.has_request()) {
    image.last->request = std::make_shared<const v1::GenerateRequest>(last.request());
  }
}

std::string Checksum(std::string_view bytes) {
  const uint32_t crc = Crc32(bytes);
  std::string text;
  for (int i = 0; i < 4; ++i) text.push_back(static_cast<char>(crc >> (8 * i)));
  return text;
}

}  // namespace

std::string EncodeHeader(const SessionImage& image, std::vector<int64_t> remembered) {
  storage::SessionHeader proto;
  proto.set_name(image.name);
  proto.set_owner(image.owner);
  proto.set_sequence(image.sequence);
  proto.set_position(image.state.position);
  proto.mutable_remembered()->Add(remembered.begin(), remembered.end());
  proto.set_expire_time_us(absl::ToUnixMicros(image.expire_time()));
  proto.set_lasting(image.lasting());
  proto.set_model_version(image.model_version);
  return proto.SerializeAsString();
}

absl::StatusOr<SessionHeader> DecodeHeader(std::string_view bytes) {
  storage::SessionHeader proto;
  if (!proto.ParseFromArray(bytes.data(), static_cast<int>(bytes.size())) || proto.name().empty()) {
    return absl::DataLossError("a record of a session has no header that can be read");
  }
  return SessionHeader{.name = proto.name(),
                       .owner = proto.owner(),
                       .sequence = proto.sequence(),
                       .position = proto.position(),
                       .remembered = {proto.remembered().begin(), proto.remembered().end()},
                       .expire_time = absl::FromUnixMicros(proto.expire_time_us()),
                       .lasting = proto.lasting(),
                       .model_version = proto.model_version()};
}

std::string EncodeBody(const SessionImage& image) { return ToBody(image).SerializeAsString(); }

absl::StatusOr<SessionImage> DecodeBody(const SessionHeader& header, std::string_view bytes) {
  storage::SessionBody body;
  const bool parsed = body.ParseFromArray(bytes.data(), static_cast<int>(bytes.size()));
  const std::string fault = parsed ? Fault(body.state()) : "it cannot be read";
  if (!fault.empty()) {
    return absl::DataLossError(absl::StrCat("the stored state of ", header.name, ": ", fault));
  }
  SessionImage image{.name = header.name, .owner = header.owner, .sequence = header.sequence};
  FromProto(body, image);
  return image;
}

std::string EncodeExport(const SessionImage& image, std::string_view model_sha256) {
  storage::SessionExport proto;
  proto.set_model_sha256(model_sha256.data(), model_sha256.size());
  *proto.mutable_body() = ToBody(image);
  proto.mutable_body()->clear_last_call();
  const std::string payload = proto.SerializeAsString();
  return absl::StrCat(absl::string_view(kMagic.data(), kMagic.size()), Checksum(payload), payload);
}

absl::StatusOr<ImportedSession> DecodeExport(std::string_view bytes, std::string_view field) {
  if (bytes.empty()) {
    return InvalidField(field, "got nothing, wanted what ExportSession gave");
  }
  const std::string_view family = kMagic.substr(0, kMagic.size() - 1);
  if (!bytes.starts_with(family)) {
    return InvalidField(field, absl::StrFormat("got %d bytes that do not begin as an exported "
                                               "session does",
                                               bytes.size()));
  }
  if (!bytes.starts_with(kMagic)) {
    return InvalidField(field,
                        absl::StrCat("got format version ", Quoted(bytes.substr(family.size(), 1)),
                                     " of an exported session, wanted \"1\""));
  }
  const std::string_view checked = bytes.substr(kMagic.size());
  const std::string_view payload = checked.substr(std::min(kChecksumBytes, checked.size()));
  if (checked.size() < kChecksumBytes || checked.substr(0, kChecksumBytes) != Checksum(payload)) {
    return InvalidField(field, "got an exported session that is damaged: its checksum is wrong");
  }
  storage::SessionExport proto;
  if (!proto.ParseFromArray(payload.data(), static_cast<int>(payload.size()))) {
    return InvalidField(field, "got an exported session that cannot be read");
  }
  std::string fault = Fault(proto.body().state());
  ImportedSession imported{.model_sha256 = proto.model_sha256()};
  if (fault.empty()) {
    FromProto(proto.body(), imported.image);
    imported.image.last.reset();
    for (const float value : imported.image.hidden) {
      if (!std::isfinite(value)) fault = "its hidden state has numbers that are not finite";
    }
  }
  if (!fault.empty()) {
    return InvalidField(field,
                        absl::StrCat("got an exported session that makes no sense: ", fault));
  }
  return imported;
}

}  // namespace derin::server
