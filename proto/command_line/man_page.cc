#include "proto/command_line/man_page.h"

#include <string_view>
#include <vector>

#include "absl/strings/ascii.h"
#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_replace.h"
#include "absl/strings/str_split.h"
#include "absl/strings/strip.h"
#include "proto/command_line/command_list.h"

namespace derin {
namespace {

constexpr char kShared[] = "Every command";

// `text` as it is: no byte of it is an instruction.
std::string Escaped(const std::string& text) {
  std::string escaped = absl::StrReplaceAll(text, {{"\\", "\\e"}, {"-", "\\-"}});
  if (escaped.starts_with('.') || escaped.starts_with('\'')) escaped.insert(0, "\\&");
  return escaped;
}

std::string Bold(const std::string& text) { return absl::StrCat("\\fB", Escaped(text), "\\fR"); }
std::string Italic(const std::string& text) { return absl::StrCat("\\fI", Escaped(text), "\\fR"); }

std::string Names(const CLI::Option& option) {
  std::string names;
  for (const std::string& name : option.get_snames())
    absl::StrAppend(&names, Bold("-" + name), ", ");
  for (const std::string& name : option.get_lnames())
    absl::StrAppend(&names, Bold("--" + name), ", ");
  names.resize(names.size() - 2);
  if (TakesValue(option)) absl::StrAppend(&names, " ", Italic(option.get_type_name()));
  return names;
}

std::string Entry(const CLI::Option& option) {
  std::string text = option.get_description();
  const bool has_default = TakesValue(option) && !option.get_default_str().empty();
  if (has_default) absl::StrAppend(&text, "; default: ", option.get_default_str());
  return absl::StrCat(
      ".TP\n",
      option.nonpositional() ? Names(option) : Italic(option.get_name(/*positional=*/true)), "\n",
      Escaped(text), "\n");
}

std::string Entries(const CLI::App& app, bool shared) {
  std::string text;
  for (const CLI::Option* option : ShownOptions(app)) {
    if ((option->get_group() == kShared) == shared) absl::StrAppend(&text, Entry(*option));
  }
  return text;
}

// What stands below a help: indented lines are examples, others paragraphs.
std::string Footer(const std::string& footer) {
  std::string text;
  bool example = false;
  bool begins = true;  // a paragraph, with the next line
  for (const absl::string_view line : absl::StrSplit(footer, '\n')) {
    const bool indented = absl::StartsWith(line, "  ");
    if (indented != example) {
      absl::StrAppend(&text, indented ? ".PP\n.EX\n" : ".EE\n");
      begins = true;
    }
    example = indented;
    if (absl::StripAsciiWhitespace(line).empty()) {
      begins = true;
      continue;
    }
    // "Signals: ..." begins one too.
    const size_t colon = line.find(": ");
    begins |= !indented && colon < 20 && absl::ascii_isupper(static_cast<unsigned char>(line[0]));
    if (begins && !indented) absl::StrAppend(&text, ".PP\n");
    begins = false;
    absl::StrAppend(&text, Escaped(std::string(line)), "\n");
  }
  return text + (example ? ".EE\n" : "");
}

// `derin corpus add [FLAGS] NAME FILE...`
std::string Synopsis(const ListedCommand& command) {
  std::string text = Bold(command.path);
  absl::StrAppend(&text, " [", Italic("FLAGS"), "]");
  for (const CLI::Option* option : ShownOptions(*command.app)) {
    if (option->nonpositional()) continue;
    absl::StrAppend(&text, " ", Italic(option->get_name(/*positional=*/true)),
                    option->get_expected_max() > 1 ? "..." : "");
  }
  if (!CommandsBelow(*command.app).empty()) absl::StrAppend(&text, " ", Italic("COMMAND"));
  return text;
}

std::string Commands(const CLI::App& app) {
  std::string text;
  for (const ListedCommand& command : ListCommands(app)) {
    // What only leads to others is in their names.
    if (command.app == &app || !CommandsBelow(*command.app).empty()) continue;
    absl::StrAppend(&text, ".SS ", Synopsis(command), "\n", Escaped(command.app->get_description()),
                    "\n", Entries(*command.app, /*shared=*/false),
                    Footer(command.app->get_footer()));
  }
  return text.empty() ? "" : absl::StrCat(".SH COMMANDS\n", text);
}

}  // namespace

std::string ManPage(const CLI::App& app, const std::string& version, const std::string& see_also) {
  const std::string& name = app.get_name();
  std::string purpose = app.get_description();
  if (purpose.ends_with('.')) purpose.pop_back();
  // The line says the name already.
  if (purpose.starts_with(name + " ")) purpose.erase(0, name.size() + 1);
  const bool commands = !CommandsBelow(app).empty();
  return absl::StrCat(
      ".TH ", absl::AsciiStrToUpper(name), " 1 \"\" \"", name, " ", version,
      "\" \"User Commands\"\n.nh\n.ad l\n.SH NAME\n", name, " \\- ", Escaped(purpose),
      "\n.SH SYNOPSIS\n", Synopsis({name, &app}), commands ? " ...\n" : "\n",
      commands ? ".SH FLAGS OF EVERY COMMAND\n" : ".SH OPTIONS\n", Entries(app, commands),
      commands ? ".SH OTHER FLAGS\n" : "", commands ? Entries(app, !commands) : "", Commands(app),
      ".SH NOTES\n", absl::StripPrefix(Footer(app.get_footer()), ".PP\n"), ".SH SEE ALSO\n.BR ",
      see_also, " (1)\n");
}

}  // namespace derin
