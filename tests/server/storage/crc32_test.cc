#include "server/storage/crc32.h"

#include "gtest/gtest.h"

namespace derin::server {
namespace {

TEST(Crc32, IsThatOfTheStandardsCheckString) {
  EXPECT_EQ(Crc32("123456789"), 0xCBF43926u);
  EXPECT_EQ(Crc32(""), 0u);
  EXPECT_EQ(Crc32(std::string_view()), 0u);
}

TEST(Crc32, GoesOnBehindAnotherPiece) {
  EXPECT_EQ(Crc32("456789", Crc32("123")), 0xCBF43926u);
  EXPECT_EQ(Crc32("", Crc32("123")), Crc32("123"));
}

}  // namespace
}  // namespace derin::server
