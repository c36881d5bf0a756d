#include "server/storage/sha256.h"

#include <gtest/gtest.h>

#include <utility>

namespace derin::server {
namespace {

// Source: NIST's examples for FIPS 180-4.
constexpr char kOfNothing[] = "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855";
constexpr char kOfAbc[] = "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad";
constexpr char kOfMillionA[] = "cdc76e5c9914fb9281a1c7e284d73e67f1809a48a497200e046d39ccc7112cd0";

TEST(Sha256, HasThePublishedDigests) {
  EXPECT_EQ(Sha256Hex(""), kOfNothing);
  EXPECT_EQ(Sha256Hex("abc"), kOfAbc);
  EXPECT_EQ(Sha256Hex(std::string(1'000'000, 'a')), kOfMillionA);
}

TEST(Sha256, DoesNotDependOnHowTheBytesAreCut) {
  Sha256 sha256;
  for (int i = 0; i < 1'000; ++i) sha256.Append(std::string(1'000, 'a'));
  EXPECT_EQ(sha256.Finish(), kOfMillionA);
}

TEST(Sha256, GoesOnAfterItWasMoved) {
  Sha256 first;
  first.Append("a");
  Sha256 second = std::move(first);
  second.Append("bc");
  EXPECT_EQ(second.Finish(), kOfAbc);
}

TEST(Sha256, KnowsADigestFromOtherText) {
  EXPECT_TRUE(IsSha256Hex(kOfAbc));
  EXPECT_FALSE(IsSha256Hex(""));
  EXPECT_FALSE(IsSha256Hex(std::string(kOfAbc).substr(1)));
  EXPECT_FALSE(IsSha256Hex("BA7816BF8F01CFEA414140DE5DAE2223B00361A396177A9CB410FF61F20015AD"));
  EXPECT_FALSE(IsSha256Hex("../816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad"));
}

}  // namespace
}  // namespace derin::server
