#include <sys/ioctl.h>
#include <unistd.h>

#include <cstdlib>
#include <iostream>
#include <string>
#include <string_view>
#include <vector>

#include "client/cli/command_line.h"
#include "client/cli/interrupt_listener.h"

namespace {

// Of the terminal behind standard error; 80 when it does not say.
int TerminalColumns() {
  winsize size = {};
  if (ioctl(STDERR_FILENO, TIOCGWINSZ, &size) != 0 || size.ws_col == 0) return 80;
  return size.ws_col;
}

}  // namespace

int main(int argc, char** argv) {
  const char* server = std::getenv("DERIN_SERVER");
  const char* terminal = std::getenv("TERM");
  // A dumb terminal cannot redraw a line.
  const bool draws = terminal == nullptr || std::string_view(terminal) != "dumb";

  derin::client::Cancellation interrupt;
  derin::cli::InterruptListener listener(interrupt);
  derin::cli::Console console{.in = std::cin,
                              .out = std::cout,
                              .err = std::cerr,
                              .out_is_terminal = isatty(STDOUT_FILENO) != 0,
                              .err_is_terminal = draws && isatty(STDERR_FILENO) != 0,
                              .columns = TerminalColumns,
                              .time_zone = absl::LocalTimeZone(),
                              .catch_interrupts = [&listener] { listener.Start(); },
                              .interrupt = interrupt};
  return derin::cli::RunCommandLine(
      std::vector<std::string>(argv + 1, argv + argc),
      server != nullptr && *server != '\0' ? server : "127.0.0.1:50051", console);
}
