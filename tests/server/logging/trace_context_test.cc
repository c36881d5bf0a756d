#include "server/logging/trace_context.h"

#include <gtest/gtest.h>

#include <map>
#include <string>

namespace derin::server {
namespace {

constexpr char kGood[] = "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01";

TEST(TraceContext, ReadsTheIds) {
  const auto context = ParseTraceParent(kGood);
  ASSERT_TRUE(context.has_value());
  EXPECT_EQ(context->trace_id, "4bf92f3577b34da6a3ce929d0e0e4736");
  EXPECT_EQ(context->parent_id, "00f067aa0ba902b7");
  EXPECT_TRUE(context->sampled);
  EXPECT_FALSE(
      ParseTraceParent("00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-f2")->sampled);
}

TEST(TraceContext, OfALaterVersionReadsTheBeginning) {
  for (const char* value : {"cc-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01",
                            "cc-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01-",
                            "01-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01-what.else"}) {
    const auto context = ParseTraceParent(value);
    ASSERT_TRUE(context.has_value()) << value;
    EXPECT_EQ(context->trace_id, "4bf92f3577b34da6a3ce929d0e0e4736");
  }
}

TEST(TraceContext, IgnoresWhatIsNotExactlyOne) {
  for (const char* value :
       {"", "00", "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7",
        "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-0",
        "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01-",      // behind version 00
        "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01 ",      //
        "cc-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01.what",  // not after a dash
        "ff-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01",       // forbidden version
        "0g-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01",       //
        "00-00000000000000000000000000000000-00f067aa0ba902b7-01",       // no trace
        "00-4bf92f3577b34da6a3ce929d0e0e4736-0000000000000000-01",       // no parent
        "00-4BF92F3577B34DA6A3CE929D0E0E4736-00f067aa0ba902b7-01",       // capitals
        "00-4bf92f3577b34da6a3ce929d0e0e473g-00f067aa0ba902b7-01",       //
        "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902bx-01",       //
        "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-x1",       //
        "00_4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01",       // no dash
        "00-4bf92f3577b34da6a3ce929d0e0e4736_00f067aa0ba902b7-01",       //
        "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7_01",       //
        "00-4bf92f3577b34da6a3ce929d0e0e47366-0f067aa0ba902b7-01"}) {    // a digit too far
    EXPECT_FALSE(ParseTraceParent(value).has_value()) << value;
  }
}

TEST(TraceContext, OfSeveralHeadersThereIsNone) {
  std::multimap<std::string, std::string> metadata;
  EXPECT_EQ(TraceIdIn(metadata), "");
  metadata.emplace("traceparent", kGood);
  EXPECT_EQ(TraceIdIn(metadata), "4bf92f3577b34da6a3ce929d0e0e4736");
  metadata.emplace("traceparent", kGood);
  EXPECT_EQ(TraceIdIn(metadata), "");
}

}  // namespace
}  // namespace derin::server
