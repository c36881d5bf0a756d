#include <sys/ioctl.h>
#include <unistd.h>

#include <cstdlib>
#include <iostream>
#include <string>
#include <string_view>
#include <vector>

#include "client/cli/command_line.h"
#include "client/cli/interrupt_listener.h"
#include "client/cli/interruptible_input.h"

namespace {

// Of the terminal behind standard error; 80 when it does not say.
int TerminalColumns() {
  winsize size = {};
  if (ioctl(STDERR_FILENO, TIOCGWINSZ, &size) != 0 || size.ws_col == 0) return 80;
  return size.ws_col;
}

// The value of an environment variable; `otherwise` when it is not set, or empty.
std::string Variable(const char* name, const char* otherwise) {
  const char* value = std::getenv(name);
  return value != nullptr && *value != '\0' ? value : otherwise;
}

}  // namespace

int main(int argc, char** argv) {
  // gRPC would report each handshake that fails, beside the program's own line.
  setenv("GRPC_VERBOSITY", "NONE", /*replace=*/0);
  const char* terminal = std::getenv("TERM");
  // A dumb terminal cannot redraw a line.
  const bool draws = terminal == nullptr || std::string_view(terminal) != "dumb";

  derin::client::Cancellation interrupt;
  derin::cli::InterruptListener listener(interrupt);
  derin::cli::InterruptibleInput input(STDIN_FILENO, interrupt);
  std::istream in(&input);
  derin::cli::Console console{.in = in,
                              .out = std::cout,
                              .err = std::cerr,
                              .out_is_terminal = isatty(STDOUT_FILENO) != 0,
                              .err_is_terminal = draws && isatty(STDERR_FILENO) != 0,
                              .columns = TerminalColumns,
                              .time_zone = absl::LocalTimeZone(),
                              .catch_interrupts = [&listener] { listener.Start(); },
                              .interrupt = interrupt};
  derin::client::ConnectOptions defaults;
  defaults.address = Variable("DERIN_SERVER", "127.0.0.1:50051");
  defaults.tls_ca = Variable("DERIN_TLS_CA", "");
  defaults.tls_certificate = Variable("DERIN_TLS_CERTIFICATE", "");
  defaults.tls_key = Variable("DERIN_TLS_KEY", "");
  defaults.token_file = Variable("DERIN_TOKEN_FILE", "");
  return derin::cli::RunCommandLine(std::vector<std::string>(argv + 1, argv + argc), defaults,
                                    console);
}
