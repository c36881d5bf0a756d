#pragma once

#include <thread>

#include "derin/client/cancellation.h"

namespace derin::cli {

// Turns SIGINT into Cancel(): the first one cancels, a second one ends the process with status 130.
//
// Until Start() the signal does what it always does. There can be one of these in a process, since
// a signal handler has nothing but globals to go by.
class InterruptListener {
 public:
  explicit InterruptListener(client::Cancellation& cancellation);
  ~InterruptListener();
  InterruptListener(const InterruptListener&) = delete;
  InterruptListener& operator=(const InterruptListener&) = delete;

  // Again is no error.
  void Start();

 private:
  client::Cancellation& cancellation_;
  // Waits for what the handler writes, since a handler may not take locks.
  std::thread thread_;
};

}  // namespace derin::cli
