#include "server/rpc/session_message.h"

#include <string>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_format.h"
#include "model/network/hidden_state_pool.h"
#include "server/status/error.h"
#include "server/storage/proto_time.h"

namespace derin::server {

v1::Session ToProto(const SessionView& view) {
  const SessionImage& image = view.image;
  v1::Session proto;
  proto.set_name(image.name);
  proto.set_model_version(image.model_version);
  *proto.mutable_create_time() = ToTimestamp(image.create_time);
  proto.set_position(image.state.position);
  proto.set_seed(image.state.seed);
  proto.set_stream(image.state.stream);
  proto.set_engine_id(image.engine_id);
  if (!view.busy) {
    *proto.mutable_idle_since() = ToTimestamp(image.idle_since);
    *proto.mutable_expire_time() = ToTimestamp(image.expire_time());
  }
  for (const auto& range : view.remembered) {
    v1::PositionRange& one = *proto.add_remembered();
    one.set_first(range.first);
    one.set_last(range.last);
  }
  proto.set_tier(view.tier);
  proto.set_durability(image.durability);
  proto.set_owner(image.owner);
  return proto;
}

absl::Status ParseKeeping(v1::Durability durability, const google::protobuf::Duration* time_to_live,
                          absl::Duration longest, SessionStore::OpenOptions& options) {
  if (!v1::Durability_IsValid(durability)) {
    return InvalidField(
        "durability", absl::StrCat("got ", static_cast<int>(durability), ", wanted a Durability"));
  }
  if (durability != v1::DURABILITY_UNSPECIFIED) options.durability = durability;
  if (time_to_live == nullptr) return absl::OkStatus();
  options.time_to_live = FromProtoDuration(*time_to_live);
  if (*options.time_to_live <= absl::ZeroDuration() || *options.time_to_live > longest) {
    return InvalidField(
        "time_to_live",
        absl::StrCat("got ", absl::FormatDuration(*options.time_to_live),
                     ", wanted more than 0 and at most ", absl::FormatDuration(longest)));
  }
  return absl::OkStatus();
}

absl::Status CheckFits(const SessionImage& image, const LoadedVersion& version,
                       std::string_view field) {
  const int64_t elements = StateElements(version.model->config());
  const auto got = static_cast<int64_t>(image.hidden.size());
  if (got != 0 && got != elements) {
    return InvalidField(field, absl::StrFormat("got a hidden state of %d numbers, wanted %d, as "
                                               "the model has",
                                               got, elements));
  }
  const int32_t vocabulary = version.tokenizer.vocabulary_size();
  const auto known = [vocabulary](int32_t token) { return token >= 0 && token < vocabulary; };
  bool all_known = known(image.state.pending.value_or(0));
  for (int back = 0; back < image.state.recent.size(); ++back) {
    all_known = all_known && known(image.state.recent.Back(back));
  }
  if (all_known) return absl::OkStatus();
  return InvalidField(field, absl::StrFormat("got tokens beyond the model's %d", vocabulary));
}

}  // namespace derin::server
