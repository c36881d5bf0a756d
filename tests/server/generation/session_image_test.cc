#include "server/generation/session_image.h"

#include <limits>
#include <map>

#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "server/status/error.h"

namespace derin::server {
namespace {

using testing::ElementsAre;
using testing::HasSubstr;

SessionImage Example() {
  SessionImage image{.name = "sessions/a-1",
                     .owner = "local",
                     .model_version = "models/sea/versions/3",
                     .engine_id = "cpu/f32/1",
                     .create_time = absl::UnixEpoch() + absl::Seconds(5),
                     .idle_since = absl::UnixEpoch() + absl::Milliseconds(7500),
                     .durability = v1::DURABILITY_POWER,
                     .time_to_live = absl::Minutes(3),
                     .sequence = 4,
                     .state = {.position = 300,
                               .pending = 2,
                               .seed = std::numeric_limits<uint64_t>::max(),
                               .stream = 9,
                               .forks = 1,
                               .text = Utf8Assembler("\xe2\x82"),
                               .held = {.text = "stop", .sent = 1}},
                     .hidden = {1.5f, -2.0f}};
  for (int32_t token = 0; token < 300; ++token) image.state.recent.Push(token);
  v1::GenerateRequest request;
  request.set_prompt("the ");
  image.last = LastCall{.key = {"id", "digest"},
                        .start_sequence = 3,
                        .start_position = 200,
                        .start_seed = 6,
                        .end_position = 301,
                        .request = std::make_shared<const v1::GenerateRequest>(request)};
  return image;
}

void ExpectSameState(const SessionImage& a, const SessionImage& b) {
  EXPECT_EQ(a.state.position, b.state.position);
  EXPECT_EQ(a.state.pending, b.state.pending);
  EXPECT_EQ(a.state.seed, b.state.seed);
  EXPECT_EQ(a.state.stream, b.state.stream);
  EXPECT_EQ(a.state.forks, b.state.forks);
  ASSERT_EQ(a.state.recent.size(), b.state.recent.size());
  for (int i = 0; i < a.state.recent.size(); ++i) {
    EXPECT_EQ(a.state.recent.Back(i), b.state.recent.Back(i));
  }
  EXPECT_EQ(a.state.text.held_back(), b.state.text.held_back());
  EXPECT_EQ(a.state.held.text, b.state.held.text);
  EXPECT_EQ(a.state.held.sent, b.state.held.sent);
  EXPECT_EQ(a.hidden, b.hidden);
}

TEST(SessionImage, IsTheSameAfterItWasWrittenAndRead) {
  const SessionImage image = Example();
  const auto header = DecodeHeader(EncodeHeader(image, {1, 3}));
  ASSERT_TRUE(header.ok()) << header.status();
  EXPECT_EQ(header->name, image.name);
  EXPECT_EQ(header->owner, "local");
  EXPECT_EQ(header->sequence, 4);
  EXPECT_EQ(header->position, 300);
  EXPECT_THAT(header->remembered, ElementsAre(1, 3));
  EXPECT_EQ(header->expire_time, image.idle_since + absl::Minutes(3));
  EXPECT_TRUE(header->lasting);
  EXPECT_EQ(header->model_version, image.model_version);
  const auto read = DecodeBody(*header, EncodeBody(image));
  ASSERT_TRUE(read.ok()) << read.status();
  ExpectSameState(*read, image);
  EXPECT_EQ(read->name, image.name);
  EXPECT_EQ(read->sequence, 4);
  EXPECT_EQ(read->model_version, image.model_version);
  EXPECT_EQ(read->engine_id, image.engine_id);
  EXPECT_EQ(read->create_time, image.create_time);
  EXPECT_EQ(read->idle_since, image.idle_since);
  EXPECT_EQ(read->durability, v1::DURABILITY_POWER);
  EXPECT_EQ(read->time_to_live, absl::Minutes(3));
  EXPECT_EQ(read->last->key.request_id, "id");
  EXPECT_EQ(read->last->key.digest, "digest");
  EXPECT_EQ(read->last->start_sequence, 3);
  EXPECT_EQ(read->last->start_position, 200);
  EXPECT_EQ(read->last->start_seed, 6u);
  EXPECT_EQ(read->last->end_position, 301);
  EXPECT_EQ(read->last->request->prompt(), "the ");
}

TEST(SessionImage, OfASessionThatEndsWithTheProcessSaysSo) {
  SessionImage image = Example();
  image.durability = v1::DURABILITY_NONE;
  EXPECT_FALSE(DecodeHeader(EncodeHeader(image, {}))->lasting);
}

TEST(SessionImage, ThatMakesNoSenseIsRefused) {
  const SessionHeader header{.name = "sessions/a-1"};
  const std::map<std::string, void (*)(SessionImage&)> faults{
      {"position is -1", [](SessionImage& image) { image.state.position = -1; }},
      {"hidden state has 0 bytes", [](SessionImage& image) { image.hidden.clear(); }},
      {"hidden state has 8 bytes", [](SessionImage& image) { image.state.position = 0; }},
      {"position is 9223372036854775807",
       [](SessionImage& image) { image.state.position = std::numeric_limits<int64_t>::max(); }},
      {"holds back", [](SessionImage& image) { image.state.held.sent = 5; }},
      {"what it holds back", [](SessionImage& image) { image.state.held.text = "a\xff"; }},
      {"what it holds back cannot",
       [](SessionImage& image) { image.state.held = {.text = "\xc3\xa4", .sent = 1}; }},
      {"holds back",
       [](SessionImage& image) { image.state.text = Utf8Assembler("\xf0\x9f\x98\x80"); }}};
  for (const auto& [said, break_it] : faults) {
    SessionImage image = Example();
    break_it(image);
    const absl::Status status = DecodeBody(header, EncodeBody(image)).status();
    EXPECT_EQ(status.code(), absl::StatusCode::kDataLoss);
    EXPECT_THAT(std::string(status.message()), HasSubstr(said));
  }
  EXPECT_EQ(DecodeBody(header, "\xff\xff").status().code(), absl::StatusCode::kDataLoss);
  EXPECT_EQ(DecodeHeader("\xff\xff").status().code(), absl::StatusCode::kDataLoss);
}

TEST(SessionExport, IsTheSameStateAfterItWasWrittenAndRead) {
  const SessionImage image = Example();
  const auto imported = DecodeExport(EncodeExport(image, "abc"), "image");
  ASSERT_TRUE(imported.ok()) << imported.status();
  EXPECT_EQ(imported->model_sha256, "abc");
  ExpectSameState(imported->image, image);
  EXPECT_EQ(imported->image.engine_id, image.engine_id);
  EXPECT_EQ(imported->image.name, "") << "it becomes another session";
  EXPECT_FALSE(imported->image.last.has_value());
}

TEST(SessionExport, DamagedAnywhereIsRefusedNamingTheField) {
  const std::string whole = EncodeExport(Example(), "abc");
  for (size_t i = 0; i < whole.size(); ++i) {
    std::string damaged = whole;
    damaged[i] = static_cast<char>(damaged[i] ^ 0x10);
    const absl::Status status = DecodeExport(damaged, "image").status();
    ASSERT_EQ(status.code(), absl::StatusCode::kInvalidArgument) << i;
    ASSERT_EQ(ErrorField(status), "image");
    ASSERT_FALSE(DecodeExport(whole.substr(0, i), "image").ok()) << i;
  }
  EXPECT_FALSE(DecodeExport(whole + "x", "image").ok());
}

TEST(SessionExport, OfAnotherFormatSaysWhich) {
  std::string newer = EncodeExport(Example(), "abc");
  newer[7] = '2';
  EXPECT_THAT(std::string(DecodeExport(newer, "image").status().message()),
              HasSubstr("format version \"2\""));
}

TEST(SessionExport, WithNumbersThatAreNotFiniteIsRefused) {
  SessionImage image = Example();
  image.hidden[1] = std::numeric_limits<float>::quiet_NaN();
  EXPECT_THAT(std::string(DecodeExport(EncodeExport(image, "abc"), "image").status().message()),
              HasSubstr("not finite"));
}

}  // namespace
}  // namespace derin::server
