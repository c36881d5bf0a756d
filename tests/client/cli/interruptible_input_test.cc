#include "client/cli/interruptible_input.h"

#include <fcntl.h>
#include <gtest/gtest.h>
#include <unistd.h>

#include <istream>
#include <iterator>
#include <string>
#include <thread>

namespace derin::cli {
namespace {

// A pipe, whose writer the test holds.
class InterruptibleInputTest : public ::testing::Test {
 protected:
  InterruptibleInputTest() { EXPECT_EQ(pipe(pipe_), 0); }
  ~InterruptibleInputTest() override {
    close(pipe_[0]);
    CloseWriter();
  }

  void Write(const std::string& text) {
    EXPECT_EQ(write(pipe_[1], text.data(), text.size()), static_cast<ssize_t>(text.size()));
  }
  void CloseWriter() {
    if (pipe_[1] >= 0) close(pipe_[1]);
    pipe_[1] = -1;
  }

  int pipe_[2] = {-1, -1};
  client::Cancellation cancellation_;
};

TEST_F(InterruptibleInputTest, IsWhatTheFileHasToItsEnd) {
  InterruptibleInput input(pipe_[0], cancellation_);
  std::istream stream(&input);
  Write("a text");
  CloseWriter();
  EXPECT_EQ(std::string(std::istreambuf_iterator<char>(stream), {}), "a text");
  EXPECT_FALSE(stream.bad());
}

// Whichever of the two comes first.
TEST_F(InterruptibleInputTest, ACancellationEndsAReadThatNothingComesFor) {
  InterruptibleInput input(pipe_[0], cancellation_);
  std::istream stream(&input);
  Write("half");
  std::thread canceller([this] { cancellation_.Cancel(); });
  char bytes[8];
  stream.read(bytes, sizeof(bytes));
  EXPECT_TRUE(stream.bad());
  canceller.join();
}

TEST_F(InterruptibleInputTest, AFileThatCannotBeReadIsNoEmptyOne) {
  const int folder = open("/", O_RDONLY | O_CLOEXEC);
  InterruptibleInput input(folder, cancellation_);
  std::istream stream(&input);
  char byte;
  stream.read(&byte, 1);
  EXPECT_TRUE(stream.bad());
  close(folder);
}

}  // namespace
}  // namespace derin::cli
