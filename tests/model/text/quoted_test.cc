#include "model/text/quoted.h"

#include <gtest/gtest.h>

namespace derin {
namespace {

TEST(Quoted, EscapesWhatIsNotPrintableAndKeepsCharacters) {
  EXPECT_EQ(Quoted("lstm"), "\"lstm\"");
  EXPECT_EQ(Quoted("a\n\"b\" \xC3\xBC"), "\"a\\n\\\"b\\\" \xC3\xBC\"");
}

TEST(Quoted, CutsAt200BytesAtACharactersEdge) {
  EXPECT_EQ(Quoted(std::string(200, 'x')), "\"" + std::string(200, 'x') + "\"");
  EXPECT_EQ(Quoted(std::string(201, 'x')), "\"" + std::string(200, 'x') + "\"...");
  EXPECT_EQ(Quoted(std::string(198, 'x') + "\xE2\x82\xAC."),
            "\"" + std::string(198, 'x') + "\"...");
  EXPECT_EQ(Quoted(std::string(197, 'x') + "\xE2\x82\xAC."),
            "\"" + std::string(197, 'x') + "\xE2\x82\xAC\"...");
}

}  // namespace
}  // namespace derin
