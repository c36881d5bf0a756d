#include "proto/command_line/generated_text.h"

#include "proto/command_line/bash_completion.h"
#include "proto/command_line/man_page.h"

namespace derin {

void AddGeneratedText(CLI::App& app, const std::string& version, const std::string& see_also) {
  // Ends the parsing as --version does, which writes the text and nothing else.
  const auto write = [](const std::string& text) { throw CLI::CallForVersion(text, 0); };
  app.add_option_function<std::string>(
         "--completion", [&app, write](const std::string&) { write(BashCompletion(app)); },
         "Write a script that completes this program's flags, and do nothing")
      ->check(CLI::IsMember({"bash"}).description(""))
      ->type_name("bash")
      ->configurable(false);
  app.add_flag_callback(
         "--man-page", [&app, version, see_also, write] { write(ManPage(app, version, see_also)); },
         "Write this program's manual page, and do nothing")
      ->group("")
      ->configurable(false);
}

}  // namespace derin
