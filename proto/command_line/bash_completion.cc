#include "proto/command_line/bash_completion.h"

#include <vector>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_join.h"
#include "absl/strings/str_replace.h"
#include "proto/command_line/command_list.h"

namespace derin {
namespace {

// PROGRAM stands for the name. `flags` are --flag, or --flag=TYPE where it takes a value; bash cuts
// words at `=`, so that --flag=value are three.
constexpr char kScript[] = R"bash(
_PROGRAM_values() {
  case $1 in
    *FILE*) mapfile -t COMPREPLY < <(compgen -f -- "$2") && compopt -o filenames 2>/dev/null ;;
    *DIR*) mapfile -t COMPREPLY < <(compgen -d -- "$2") && compopt -o filenames 2>/dev/null ;;
    *'|'* | bash) mapfile -t COMPREPLY < <(compgen -W "${1//|/ }" -- "$2") ;;
  esac
}

_PROGRAM() {
  local word=${COMP_WORDS[COMP_CWORD]} before=${COMP_WORDS[COMP_CWORD - 1]}
  local path=PROGRAM type= value= i flag
  local -a commands flags
  COMPREPLY=()
  _PROGRAM_command "$path"
  for ((i = 1; i < COMP_CWORD; ++i)); do
    if [[ -n $value ]]; then
      [[ ${COMP_WORDS[i]} == = ]] || value=
      continue
    fi
    for flag in "${flags[@]}"; do
      [[ $flag != "${COMP_WORDS[i]}="* ]] || value=yes
    done
    for flag in "${commands[@]}"; do
      if [[ $flag == "${COMP_WORDS[i]}" ]]; then
        path+=" $flag"
        _PROGRAM_command "$path"
        break
      fi
    done
  done
  if [[ $word == = ]]; then
    word=
  elif [[ $before == = ]]; then
    before=${COMP_WORDS[COMP_CWORD - 2]}
  fi
  for flag in "${flags[@]}"; do
    if [[ $flag == "$before="* ]]; then
      _PROGRAM_values "${flag#*=}" "$word"
      return
    fi
  done
  if [[ $word == -* ]]; then
    mapfile -t COMPREPLY < <(compgen -W "${flags[*]%%=*}" -- "$word")
  elif ((${#commands[@]} > 0)); then
    mapfile -t COMPREPLY < <(compgen -W "${commands[*]}" -- "$word")
  else
    _PROGRAM_values "$type" "$word"
  fi
}
complete -F _PROGRAM PROGRAM
)bash";

std::string Quoted(const std::string& word) {
  return absl::StrCat("'", absl::StrReplaceAll(word, {{"'", "'\\''"}}), "'");
}

std::string FlagWord(const CLI::Option& option, const std::string& name) {
  return Quoted(TakesValue(option) ? absl::StrCat(name, "=", option.get_type_name()) : name);
}

// What the script knows of one command: a case of _PROGRAM_command, which sets `commands`, `flags`
// and `type`, that of the words that are no flags.
std::string Case(const ListedCommand& command) {
  std::vector<std::string> commands;
  for (const CLI::App* below : CommandsBelow(*command.app)) {
    commands.push_back(Quoted(below->get_name()));
  }
  std::vector<std::string> flags;
  std::string type;
  for (const CLI::Option* option : ShownOptions(*command.app)) {
    if (!option->nonpositional()) type = option->get_name(/*positional=*/true);
    for (const std::string& name : option->get_lnames()) {
      flags.push_back(FlagWord(*option, "--" + name));
    }
  }
  return absl::StrCat("    ", Quoted(command.path), ")\n      commands=(",
                      absl::StrJoin(commands, " "), ")\n      flags=(", absl::StrJoin(flags, " "),
                      ")\n      type=", Quoted(type), " ;;\n");
}

}  // namespace

std::string BashCompletion(const CLI::App& app) {
  const std::string& program = app.get_name();
  std::string script =
      absl::StrCat("# Completes ", program, " in bash: source <(", program,
                   " --completion bash)\n\n_", program, "_command() {\n", "  case $1 in\n");
  for (const ListedCommand& command : ListCommands(app)) absl::StrAppend(&script, Case(command));
  return absl::StrCat(script, "  esac\n}\n", absl::StrReplaceAll(kScript, {{"PROGRAM", program}}));
}

}  // namespace derin
