#include "client/cli/table.h"

#include <gtest/gtest.h>

#include <sstream>

namespace derin::cli {
namespace {

TEST(Table, AlignsItsColumns) {
  Table table({{"NAME"}, {"SIZE", Table::Align::kRight}, {"WHAT"}});
  EXPECT_TRUE(table.empty());
  table.AddRow({"a", "1,000", "x"});
  table.AddRow({"longer-name", "5", ""});
  EXPECT_FALSE(table.empty());
  std::ostringstream out;
  table.Print(out);
  EXPECT_EQ(out.str(),
            "NAME          SIZE  WHAT\n"
            "a            1,000  x\n"
            "longer-name      5\n");
}

TEST(Table, CountsCharactersNotBytes) {
  Table table({{"A"}, {"B"}});
  table.AddRow({"déjà", "1"});
  table.AddRow({"four", "2"});
  std::ostringstream out;
  table.Print(out);
  EXPECT_EQ(out.str(), "A     B\ndéjà  1\nfour  2\n");
  EXPECT_EQ(DisplayWidth("déjà"), 4u);
}

TEST(PrintFields, PutsValuesBelowEachOtherAndLeavesOutWhatIsEmpty) {
  std::ostringstream out;
  PrintFields({{"name", "a"}, {"gone", ""}, {"longest", "b"}}, out);
  EXPECT_EQ(out.str(), "name     a\nlongest  b\n");
}

}  // namespace
}  // namespace derin::cli
