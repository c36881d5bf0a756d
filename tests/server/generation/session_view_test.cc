#include "server/generation/session_view.h"

#include <memory>
#include <utility>
#include <vector>

#include "gtest/gtest.h"

namespace derin::server {
namespace {

using Ranges = std::vector<std::pair<int64_t, int64_t>>;

Ranges Remembered(const SessionImage& image,
                  const std::vector<SessionArchive::Remembered>& archived) {
  Ranges ranges;
  for (const auto& one : RememberedBy(image, archived)) ranges.emplace_back(one.first, one.last);
  return ranges;
}

SessionImage At(int64_t position) {
  SessionImage image;
  image.state.position = position;
  return image;
}

TEST(SessionView, WithoutACallASessionRemembersWhereItIs) {
  EXPECT_EQ(Remembered(At(7), {}), (Ranges{{7, 7}}));
  EXPECT_EQ(Remembered(At(7), {{1, 7}}), (Ranges{{7, 7}}));
}

TEST(SessionView, TheLastCallIsRememberedAsFarAsItCame) {
  SessionImage image = At(9);
  image.last = LastCall{.start_sequence = 2,
                        .start_position = 5,
                        .end_position = 12,
                        .request = std::make_shared<const v1::GenerateRequest>()};
  EXPECT_EQ(Remembered(image, {{1, 0}, {2, 5}, {3, 9}}), (Ranges{{0, 0}, {5, 12}}));
  EXPECT_EQ(Remembered(image, {{1, 0}, {3, 9}}), (Ranges{{0, 0}, {9, 9}})) << "its start is gone";
  image.last->request = nullptr;
  EXPECT_EQ(Remembered(image, {{1, 0}, {2, 5}, {3, 9}}), (Ranges{{0, 0}, {5, 5}, {9, 9}}));
}

}  // namespace
}  // namespace derin::server
