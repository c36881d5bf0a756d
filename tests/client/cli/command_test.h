#pragma once

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <sstream>
#include <string>
#include <vector>

#include "client/cli/command_line.h"
#include "tests/client/fake_server.h"

namespace derin::cli {

// Runs command lines in this process, against a server whose answers the test sets.
class CommandTest : public ::testing::Test {
 protected:
  struct Result {
    int status = -1;
    std::string out;
    std::string err;
  };

  // With `input` on standard input. The clock stands at 1,000 s after the epoch.
  Result Run(const std::vector<std::string>& arguments, const std::string& input = "") {
    std::istringstream in(input);
    std::ostringstream out;
    std::ostringstream err;
    Console console{.in = in,
                    .out = out,
                    .err = err,
                    .out_is_terminal = terminal_,
                    .err_is_terminal = terminal_,
                    .now = [] { return absl::FromUnixSeconds(1000); },
                    .interrupt = interrupt_};
    Result result;
    result.status = RunCommandLine(arguments, {.address = server_.address()}, console);
    result.out = out.str();
    result.err = err.str();
    return result;
  }

  testing::Answers& answers() { return server_.answers(); }

  testing::FakeServer server_;
  client::Cancellation interrupt_;
  bool terminal_ = false;
};

}  // namespace derin::cli
