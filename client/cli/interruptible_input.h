#pragma once

#include <cstdint>
#include <streambuf>
#include <vector>

#include "derin/client/cancellation.h"

namespace derin::cli {

// What a file descriptor has, such as standard input, for a stream whose reader does not wait for a
// person who has cancelled: then, and where the file cannot be read, reading throws, which makes
// the stream bad. An end would be wrong: what came until then is not all.
//
// A signal alone does not wake a reader: it may come before the read begins, or to another thread.
class InterruptibleInput : public std::streambuf {
 public:
  // Both outlive it; `file` stays open.
  InterruptibleInput(int file, client::Cancellation& cancellation);
  ~InterruptibleInput() override;

 protected:
  int_type underflow() override;

 private:
  const int file_;
  client::Cancellation& cancellation_;
  const int cancelled_;  // an eventfd
  const int64_t stop_;
  std::vector<char> buffer_;
};

}  // namespace derin::cli
